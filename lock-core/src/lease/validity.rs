//! Until when a body may step, as its task and the keeper share it: a few atomic numbers.
//!
//! Must stay true: `until` only grows, and once the lease has ended it stays so; either a step does not start, or the end
//! of the process sees it. Absent on purpose: who is woken, and a mutex.
//! What threads do to it at once is tried in every order: a test of the runtime compiles this file once more, over loom's
//! primitives, so that what it is made of comes from `super`.

use super::sync::{AtomicBool, AtomicU8, AtomicU64, LossReason, Moment, Mutant, Ordering, fence, planted};

/// `until` of a lease that has ended: before every moment, and never raised again.
const ENDED: u64 = 0;
/// `until` before the grant.
const NOT_YET: u64 = 1;

/// See the module.
#[derive(Debug)]
pub struct Validity {
    fence: AtomicU64,
    until: AtomicU64,
    loss: AtomicU8,
    in_step: AtomicBool,
}

/// Not granted yet.
impl Default for Validity {
    fn default() -> Self {
        Self {
            fence: AtomicU64::new(0),
            until: AtomicU64::new(NOT_YET),
            loss: AtomicU8::new(0),
            in_step: AtomicBool::new(false),
        }
    }
}

impl Validity {
    pub fn fence(&self) -> u64 {
        self.fence.load(Ordering::Relaxed)
    }

    /// The instant from which no step of the body may start.
    pub fn until(&self) -> Moment {
        Moment::from_nanos(self.until.load(Ordering::SeqCst))
    }

    pub fn loss(&self) -> Option<LossReason> {
        LossReason::from_code(self.loss.load(Ordering::SeqCst))
    }

    /// The task has its grant.
    pub fn granted(&self, fence: u64, until: Moment) {
        self.fence.store(fence, Ordering::Relaxed);
        self.extend(until);
    }

    /// Steps may start until then, unless the lease has ended.
    pub fn extend(&self, until: Moment) {
        let later = |current: u64| (current != ENDED).then(|| current.max(until.nanos()));
        // Whether it was raised does not matter to anybody.
        let _ = self.until.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// No step may start any more.
    pub fn end(&self) {
        // A store would do. A swap costs the same, and loom knows its place in the row of raises.
        self.until.swap(ENDED, Ordering::SeqCst);
    }

    /// The lease is lost: no step may start any more.
    pub fn lose(&self, reason: LossReason) {
        // The first loss is the one that counts.
        let _ = self.loss.compare_exchange(0, reason.code(), Ordering::SeqCst, Ordering::SeqCst);
        self.end();
    }

    /// A step of the body is about to start: true if it may.
    ///
    /// The fence stands between a store and a load, as the one in [`end_at_exit`](Self::end_at_exit) does between the
    /// reverse, so that either this step does not start or the exit sees it.
    pub fn start_step(&self, now: Moment) -> bool {
        self.in_step.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let may = now < self.until() || planted(Mutant::LossIgnored);
        if !may {
            self.end_step();
        }
        may
    }

    /// A step of a body that goes on after a loss is about to start: true if it may, which the end of the process alone
    /// forbids. Also then the exit sees the step, so that what is left of the lease stays as it is until it is over.
    pub fn start_step_after_loss(&self) -> bool {
        self.in_step.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Whoever is told of a loss by the core may come before the seat is.
        let may = self.loss().is_some() || self.until() != Moment::MIN;
        if !may {
            self.end_step();
        }
        may
    }

    /// The step is over.
    pub fn end_step(&self) {
        self.in_step.store(false, Ordering::Release);
    }

    /// No step may start any more; true if one is under way, which nobody can stop.
    pub fn end_at_exit(&self) -> bool {
        self.end();
        fence(Ordering::SeqCst);
        self.in_step.load(Ordering::Acquire)
    }
}
