//! `growth`: whether a lock costs the same among many as among few.
//!
//! From one lock held to a hundred thousand, from one waiter to ten thousand, from one key touched to a million; the
//! cost of each has to stay what it was, and memory has to come back. Each number is a process of its own. All waiters
//! wait for one key: that is where one release could wake, or be paid for by, everybody. What a change of a figure
//! would mean: a cost that grows is something that is searched, sorted or kept for each of the others.

mod curves;
mod keys;
mod waiters;

use std::time::Duration;

use lock_tests::Server;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::child::{self, Job};
use crate::contestants::Outcome;
use crate::extent::Extent;
use crate::held::{self, Ending, Seen, TASKS, Taker, Trial};
use crate::report::Section;
use curves::Curves;

const HEADINGS: [&str; 3] = ["100 times as many locks held", "as many keys touched once", "as many waiters"];
const TTL: Duration = Duration::from_secs(10);

/// What a process of its own can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Growth {
    url: String,
    of: Many,
}

/// What there are many of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Many {
    Keys { taker: Taker, keys: usize },
    Waiters { waiters: usize },
}

impl Job for Growth {
    const NAME: &'static str = "growth";

    fn run(self) -> Outcome<()> {
        match self.of {
            Many::Keys { taker, keys } => child::say(&keys::run(&self.url, taker, keys)?),
            Many::Waiters { waiters } => child::say(&waiters::run(&self.url, waiters)?),
        }
    }
}

/// How much is measured.
struct Steps {
    held: Vec<usize>,
    held_for: Duration,
    ttl: Duration,
    keys: Vec<usize>,
    waiters: Vec<usize>,
}

impl Steps {
    fn new(extent: Extent) -> Self {
        let decades = |most: u32| (0..=most).map(|exponent| 10_usize.pow(exponent)).collect();
        match extent {
            Extent::Full => {
                Self { held: decades(5), held_for: TTL / 2, ttl: TTL, keys: decades(6), waiters: decades(4) }
            }
            Extent::Short => {
                Self { held: decades(2), held_for: TTL / 20, ttl: TTL / 10, keys: decades(3), waiters: decades(2) }
            }
        }
    }
}

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, server: &Server) -> Section {
    let steps = Steps::new(extent);
    let curves = measure(&steps, server);
    Section {
        name: "growth",
        settings: vec![
            ("runs", "one of each number, in a process of its own".to_owned()),
            ("locks", format!("held for {:?}, ttl {:?}, renewed by themselves", steps.held_for, steps.ttl)),
            ("keys", format!("taken and released once each, by {TASKS} tasks over one connection")),
            (
                "waiters",
                "tasks of one process that wait for one key, and release it at once when they have it".to_owned(),
            ),
        ],
        rows: curves.rows(),
        headings: &HEADINGS,
        notes: notes(),
        broken: curves.failures.first().cloned(),
        plots: curves.plots(),
        samples: json!({
            "held": curves.held.to_json(), "held_bare": curves.held_bare.to_json(),
            "keys": curves.keys.to_json(), "keys_bare": curves.keys_bare.to_json(),
            "waiters": curves.waiters.to_json(),
        }),
        failures: curves.failures,
    }
}

fn measure(steps: &Steps, server: &Server) -> Curves {
    let mut curves = Curves::default();
    let Steps { held_for, ttl, .. } = *steps;
    let ours = |locks| Trial { taker: Taker::Ours, locks, held_for, ttl, ending: Ending::Released };
    let bare = |locks| Trial { taker: Taker::Bare, held_for: Duration::ZERO, ..ours(locks) };
    for &locks in &steps.held {
        let seen = all_there(held::ask(server, &ours(locks)));
        curves.failures.extend(curves.held.add(locks, seen));
        curves.failures.extend(curves.held_bare.add(locks, held::ask(server, &bare(locks))));
    }
    for &keys in &steps.keys {
        curves.failures.extend(curves.keys.add(keys, ask(server, Many::Keys { taker: Taker::Ours, keys })));
        curves.failures.extend(curves.keys_bare.add(keys, ask(server, Many::Keys { taker: Taker::Bare, keys })));
    }
    for &waiters in &steps.waiters {
        curves.failures.extend(curves.waiters.add(waiters, ask(server, Many::Waiters { waiters })));
    }
    curves
}

fn all_there(seen: Result<Seen, String>) -> Result<Seen, String> {
    match seen {
        Ok(seen) if seen.lost + seen.missing > 0 => Err(format!("{} lost, {} keys missing", seen.lost, seen.missing)),
        seen => seen,
    }
}

fn ask<T: serde::de::DeserializeOwned>(server: &Server, of: Many) -> Result<T, String> {
    eprintln!("{of:?}");
    server.flushall();
    child::ask(&Growth { url: server.url(), of })
}

fn notes() -> Vec<String> {
    let notes = [
        "Growth is the cost of each at the largest number over that at a hundredth of it: 1 is flat.",
        "Memory is resident memory above that after connecting and one lock. What is kept after a million keys or ten \
         thousand waiters is in it what the allocator keeps, so that it is no more than a bound.",
        "The server keeps one key, the counter, after all: that is checked.",
        "A waiter's cost is the time from the release of the first holder until all have had the lock in turn.",
    ];
    notes.map(str::to_owned).into()
}
