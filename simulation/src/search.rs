//! Many seeds, on every processor there is.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::simulator::{Plan, Violation, simulate};

/// What came of a search.
#[derive(Debug, Default)]
pub struct Searched {
    /// How many seeds were run.
    pub schedules: u64,
    /// How many tasks came in them.
    pub tasks: u64,
    /// How many of those had their lock.
    pub grants: u64,
    /// The first seed that breaks a promise, if any was found.
    pub found: Option<Found>,
}

/// A seed that breaks a promise.
#[derive(Debug)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// What was not as it must be.
    pub violation: Violation,
}

/// Runs seeds until one breaks a promise, or all are run, or it is enough.
pub fn search(seeds: Range<u64>, enough: impl Fn() -> bool + Sync) -> Searched {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let worker = || {
        let mut searched = Searched::default();
        while !stop.load(Ordering::Relaxed) && !enough() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let outcome = simulate(&Plan::of(seed), false);
            searched.schedules += 1;
            searched.tasks += outcome.tasks;
            searched.grants += outcome.grants;
            if let Some(violation) = outcome.violation {
                searched.found = Some(Found { seed, violation });
                stop.store(true, Ordering::Relaxed);
            }
        }
        searched
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        let searched = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        searched.fold(Searched::default(), Searched::and)
    })
}

impl Searched {
    fn and(self, other: Self) -> Self {
        Self {
            schedules: self.schedules + other.schedules,
            tasks: self.tasks + other.tasks,
            grants: self.grants + other.grants,
            found: self.found.into_iter().chain(other.found).min_by_key(|found| found.seed),
        }
    }
}
