//! Leases that are held together: as good as the least of them, and given back in reverse.
//!
//! Must stay true: a step starts only if it may under each of them at one reading of the clock; while it lasts, the exit
//! of the process sees it in each of them. Dropped, they go to the keeper, the last one first.

use std::sync::Arc;

use lock_core::walk::Start;
use lock_core::{LockError, LockKey, LossReason};

use crate::engine::holding::Holding;
use crate::engine::several::leases::Leases;
use crate::engine::several::releasing::ReleasingSet;
use crate::system::clock;

/// See the module. While they are acquired, the first of the leases alone.
pub(crate) struct HeldSet {
    leases: Arc<Leases>,
    held: Vec<Holding>,
}

/// Whether a step of the body may start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartSet {
    /// The body is in a step, until [`HeldSet::end_step`].
    Now,
    /// The process is about to end.
    NeverAgain,
    /// One of them was lost, and so all are.
    Lost(LockKey, LossReason),
}

impl HeldSet {
    /// None of them is held yet.
    pub(super) fn none_of(leases: Arc<Leases>) -> Self {
        Self { held: Vec::with_capacity(leases.states().len()), leases }
    }

    /// The next of them was granted.
    pub(super) fn push(&mut self, holding: Holding) {
        self.held.push(holding);
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// Those that are held, in the order of their keys.
    pub(crate) fn all(&self) -> &[Holding] {
        &self.held
    }

    /// Whether these are copies in a forked process; the parent has the leases.
    pub(crate) fn is_forked(&self) -> bool {
        self.held.first().is_some_and(Holding::is_forked)
    }

    /// Asks to start a step of the body. Asking again takes a deadline that has moved each time, so that it ends.
    pub(crate) fn start_step(&self) -> StartSet {
        if self.is_forked() {
            return self.lost(0, LossReason::Forked);
        }
        loop {
            let now = clock::now();
            let refused = self.held.iter().position(|held| !held.state().validity.start_step(now));
            let Some(at) = refused else { return StartSet::Now };
            end_steps(&self.held[..at]);
            match self.held[at].start_step() {
                // The others were asked at an earlier time.
                Start::Now => end_steps(&self.held[at..=at]),
                Start::NeverAgain => return StartSet::NeverAgain,
                Start::Lost(reason) => return self.lost(at, reason),
            }
        }
    }

    /// Asks to start a step of a body that continues after a loss; true if it may.
    pub(crate) fn start_step_all_the_same(&self) -> bool {
        for (at, held) in self.held.iter().enumerate() {
            let may = match held.start_step() {
                Start::Now => true,
                Start::NeverAgain => false,
                Start::Lost(_) => held.state().validity.start_step_after_loss(),
            };
            if !may {
                end_steps(&self.held[..at]);
                return false;
            }
        }
        true
    }

    /// The step is over.
    pub(crate) fn end_step(&self) {
        end_steps(&self.held);
    }

    /// The body has ended: releases all, in reverse. Whoever awaits that has registered its waker already.
    pub(crate) fn end(mut self) -> ReleasingSet {
        ReleasingSet::new(self.reversed().map(Holding::end).collect())
    }

    /// Releases all, in reverse; each is awaited for the operation time-out at most. Whoever awaits that has registered
    /// its waker already.
    pub(crate) fn release(mut self) -> ReleasingSet {
        let release = |held: Holding| {
            let patience = held.shared().operation_timeout;
            Some(held.release(patience))
        };
        ReleasingSet::new(self.reversed().map(release).collect())
    }

    fn reversed(&mut self) -> impl Iterator<Item = Holding> {
        std::mem::take(&mut self.held).into_iter().rev()
    }

    fn lost(&self, at: usize, reason: LossReason) -> StartSet {
        StartSet::Lost(self.held[at].state().key.clone(), reason)
    }
}

/// What is told of a loss.
pub(crate) fn lost(key: LockKey, reason: LossReason) -> LockError {
    if reason == LossReason::Forked { LockError::forked(key) } else { LockError::lost(key, reason) }
}

fn end_steps(held: &[Holding]) {
    for held in held {
        held.state().validity.end_step();
    }
}

impl Drop for HeldSet {
    fn drop(&mut self) {
        self.reversed().for_each(drop);
    }
}
