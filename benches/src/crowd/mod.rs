//! `crowd`: twenty thousand tasks of one process, each waiting for a key of its own that somebody else holds.
//!
//! `course` is what happens, in order, `holder` and `waiter` are the processes to which it happens, `queues` is what
//! the server knows of the looks, `rows` what is made of it all. What a change of a figure would mean: a keeper that
//! takes more of a core leaves less for renewals, which are what keeps locks; a waiter that does not look within its
//! period is one that a lost message or a dead holder leaves waiting for ever. Must stay true: whoever was never
//! granted is counted, and makes the benchmark fail.

mod course;
mod holder;
mod key;
mod queues;
mod rows;
mod steps;
mod waiter;

use std::ops::Range;
use std::time::Duration;

use lock_tests::{Kind, Server};
use serde::{Deserialize, Serialize};

use crate::child::Job;
use crate::contestants::Outcome;
use crate::extent::Extent;
use crate::held::on_one_thread;
use crate::report::Section;
use steps::Steps;

/// What a process of its own can be asked for: to play a part, until the parent has heard enough.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Crowd {
    url: String,
    part: Part,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Part {
    Holder { keys: Range<usize>, ttl: Duration },
    Waiter { keys: Range<usize>, ttl: Duration },
}

impl Job for Crowd {
    const NAME: &'static str = "crowd";

    fn run(self) -> Outcome<()> {
        match self.part {
            Part::Holder { keys, ttl } => on_one_thread(holder::run(&self.url, keys, ttl)),
            Part::Waiter { keys, ttl } => on_one_thread(waiter::run(&self.url, keys, ttl)),
        }
    }
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
