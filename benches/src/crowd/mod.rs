//! `crowd`: twenty thousand tasks of one process, each waiting for a key of its own that somebody else holds.
//!
//! `course` is what happens, in order, `holder` and `waiter` are the processes to which it happens, `queues` is what the
//! server knows of the looks, `rows` what is made of it all. What a change of a figure would mean: a keeper that takes
//! more of a core leaves less for renewals, which are what keeps locks; a waiter that does not look within its period is
//! one that a lost message or a dead holder leaves waiting for ever. Must stay true: whoever was never granted is
//! counted, and makes the benchmark fail.

mod course;
mod holder;
mod queues;
mod rows;
mod waiter;

use std::ops::Range;
use std::time::Duration;

use lock_tests::{Kind, Server};
use serde::{Deserialize, Serialize};

use crate::Extent;
use crate::contestants::Outcome;
use crate::held::on_one_thread;
use crate::report::Section;

/// How many looks a second all waiters of a process send at most, as the library has it.
const LOOKS_A_SECOND: usize = 500;

/// What a process of its own can be asked to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    Holder { keys: Range<usize>, ttl: Duration },
    Waiter { keys: Range<usize>, ttl: Duration },
}

/// Plays a part, until the parent has heard enough.
pub(crate) fn run(url: &str, part: Part) -> Outcome<()> {
    match part {
        Part::Holder { keys, ttl } => on_one_thread(holder::run(url, keys, ttl)),
        Part::Waiter { keys, ttl } => on_one_thread(waiter::run(url, keys, ttl)),
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Steps {
    work: &'static str,
    waiters: usize,
    /// For how many of these the holder dies.
    orphans: usize,
    ttl: Duration,
    /// Until they have spread their looks.
    settling: Duration,
    /// While the server tells what it gets.
    watched: Duration,
    measured: Duration,
    /// Over how long the holder releases.
    releasing: Duration,
}

impl Steps {
    fn new(extent: Extent) -> Self {
        let (secs, ms) = (Duration::from_secs, Duration::from_millis);
        match extent {
            Extent::Full => Self {
                work: "20,000 waiters",
                waiters: 20_000,
                orphans: 20,
                ttl: secs(30),
                settling: secs(50),
                watched: secs(10),
                measured: secs(60),
                releasing: secs(10),
            },
            Extent::Short => Self {
                work: "500 waiters",
                waiters: 500,
                orphans: 5,
                ttl: secs(2),
                settling: ms(500),
                watched: ms(500),
                measured: ms(1500),
                releasing: ms(500),
            },
        }
    }

    /// How long a waiter rests between two looks, but for a quarter more that is drawn.
    fn period(&self) -> Duration {
        let crowd = Duration::from_secs(1).mul_f64(self.waiters as f64 / LOOKS_A_SECOND as f64);
        crowd.max(Duration::from_secs(1))
    }

    /// The longest that one may go without a look.
    fn longest_rest(&self) -> Duration {
        self.period() * 5 / 4
    }

    fn orphaned(&self) -> Range<usize> {
        0..self.orphans
    }

    fn released(&self) -> Range<usize> {
        self.orphans..self.waiters
    }
}

/// What a key is called in the server.
fn key(number: usize) -> String {
    format!("job:{number}")
}

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, _: &Server) -> Section {
    let steps = Steps::new(extent);
    eprintln!("{}, each for a key of its own", steps.work);
    // One of its own: what others left there would be counted.
    let server = Server::builder(Kind::Redis).start();
    let seen = course::run(&server, &steps);
    rows::section(&steps, seen)
}
