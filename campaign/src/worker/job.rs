//! The body: short awaits, stretches without one, and work on the resources outside Redis.
//!
//! No stretch is longer than its share of the margin, which is what a body promises the library.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use lock_core::store::Kind;

use super::Shared;
use super::call::Call;
use super::choices::SINGLE_THREADED;
use crate::chance::Chance;
use crate::clock::{margin, nanos, now};
use crate::oracle::Asking;

/// How a body means to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Ok,
    Error,
    Panic,
}

/// What a planned panic carries.
#[derive(Debug)]
pub(crate) struct Planned;

/// A body did not work out.
#[derive(Debug)]
pub(crate) struct Unlucky;

pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: Arc<Call>,
    /// All that it is to lock.
    pub(crate) keys: Vec<u64>,
    pub(crate) kind: Kind,
    pub(crate) ttl: Duration,
    /// For how long it means to run.
    pub(crate) lasts: Duration,
    /// How long it takes to be dropped.
    pub(crate) slow: Duration,
    pub(crate) ending: Ending,
    pub(crate) chance: Chance,
}

/// The longest that most bodies take to be dropped.
pub(crate) const SLOWEST: Duration = Duration::from_millis(5);

/// Something that takes its time to be dropped.
struct Slow(Duration);

impl Drop for Slow {
    fn drop(&mut self) {
        // To keep its thread is all that it does.
        sleep(self.0);
    }
}

impl Job {
    /// Works on the resources, step by step, then ends as it means to.
    pub(crate) async fn work(mut self) -> Result<(), Unlucky> {
        let hold = self.call.hold().expect("a body runs under something").clone();
        let mut oracle = Asking::connect(&self.shared.orders.oracle);
        for &key in &self.keys {
            oracle.enter(key, hold.fence(key));
        }
        let _slow = Slow(self.slow);
        // By the clock, and not by what the steps mean to take: on a busy machine they take longer.
        let until = now() + nanos(self.lasts);
        while now() < until {
            let rest = self.chance.between(Duration::ZERO, Duration::from_millis(12));
            let key = self.chance.one_of(&self.keys);
            let fence = hold.fence(key);
            match self.chance.below(4) {
                0 => self.stretch(),
                // Whoever is beside others writes nothing.
                1 | 2 if self.kind != Kind::Exclusive => oracle.look_fenced(key, fence),
                1 => oracle.write_fenced(key, fence),
                2 => {
                    let value = oracle.read(key, fence);
                    self.shared.alarm.after(rest).await;
                    oracle.write(key, fence, value + 1);
                    continue;
                }
                _ => {}
            }
            self.shared.alarm.after(rest).await;
        }
        match self.ending {
            Ending::Ok => Ok(()),
            Ending::Error => Err(Unlucky),
            // Says nothing on the error output, where only surprises belong.
            Ending::Panic => std::panic::resume_unwind(Box::new(Planned)),
        }
    }

    /// Keeps its thread for a while: as long as a body may that needs some time to be dropped, shared with those that
    /// the thread drives beside it.
    fn stretch(&mut self) {
        let sharers = if SINGLE_THREADED.contains(&self.shared.orders.executor) { self.shared.tasks } else { 1 };
        let most = margin(self.ttl).saturating_sub(self.slow.max(SLOWEST)) / sharers;
        // The thread is what it is about: an await would give it to somebody else.
        sleep(self.chance.between(Duration::ZERO, most));
    }
}
