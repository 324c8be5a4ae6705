//! Until when a body may start a step, shared by its task and the keeper in a few atomic numbers.
//!
//! Must stay true: `until` only grows, and once the lease has ended it stays ended; either a step does not start, or
//! the exit of the process sees it. Absent on purpose: wake-ups, and a mutex.
//! A test of the runtime compiles this file once more over loom's primitives, to try every interleaving; so its
//! primitives come from `super`.

use super::sync::{AtomicBool, AtomicU8, AtomicU64, LossReason, Moment, Mutant, Ordering, fence, planted};

/// `until` of an ended lease: before every moment, and never raised again.
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

    /// No step of the body may start from this instant on.
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
        // It does not matter whether this raised it.
        let _ = self.until.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// No step may start any more.
    pub fn end(&self) {
        // A store would do. A swap costs the same, and loom orders it among the updates.
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
    /// The fence orders the store of `in_step` before the load of `until`; the one in
    /// [`end_at_exit`](Self::end_at_exit) orders the store of `until` before the load of `in_step`. So either this step
    /// does not start or the exit sees it.
    pub fn start_step(&self, now: Moment) -> bool {
        self.in_step.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let may = now < self.until() || planted(Mutant::LossIgnored);
        if !may {
            self.end_step();
        }
        may
    }

    /// Whether a step of a body that continues after a loss may start: always, except at the exit of the process. The
    /// exit sees this step too, and then leaves the lease alone until the step is over.
    pub fn start_step_after_loss(&self) -> bool {
        self.in_step.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // The core may report a loss before this validity shows it.
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

    /// No step may start any more; returns true if one is in progress, which nobody can stop.
    pub fn end_at_exit(&self) -> bool {
        self.end();
        fence(Ordering::SeqCst);
        self.in_step.load(Ordering::Acquire)
    }
}
