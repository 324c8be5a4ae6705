//! What a task and the keeper share about one acquire and the lease it becomes.
//!
//! The core speaks to a task through its seat: it is woken here, and reads here until when it may go on.
//! Must stay true: `until` only grows, and once the lease has ended it stays so; no lock is held while a waker runs.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use tokio::sync::Notify;

use crate::clock::Moment;
use crate::core::Terms;
use crate::error::LossReason;
use crate::key::LockKey;
use crate::mutant::{Mutant, planted};
use crate::mutex::enter;

/// `until` of a lease that has ended: before every moment, and never raised again.
const ENDED: u64 = 0;
/// `until` before the grant.
const NOT_YET: u64 = 1;

#[derive(Debug)]
pub(crate) struct Seat {
    /// The identity of the store, and the key in it.
    pub(crate) place: Arc<str>,
    pub(crate) key: LockKey,
    pub(crate) terms: Terms,
    fence: AtomicU64,
    until: AtomicU64,
    loss: AtomicU8,
    in_step: AtomicBool,
    waker: Mutex<Option<Waker>>,
    changed: Notify,
}

impl Seat {
    pub(crate) fn new(place: Arc<str>, key: LockKey, terms: Terms) -> Arc<Self> {
        Arc::new(Self {
            place,
            key,
            terms,
            fence: AtomicU64::new(0),
            until: AtomicU64::new(NOT_YET),
            loss: AtomicU8::new(0),
            in_step: AtomicBool::new(false),
            waker: Mutex::new(None),
            changed: Notify::new(),
        })
    }

    pub(crate) fn fence(&self) -> u64 {
        self.fence.load(Ordering::Relaxed)
    }

    /// The instant from which no step of the body may start.
    pub(crate) fn until(&self) -> Moment {
        Moment::from_nanos(self.until.load(Ordering::SeqCst))
    }

    pub(crate) fn loss(&self) -> Option<LossReason> {
        match self.loss.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(LossReason::Expired),
            2 => Some(LossReason::Stolen),
            3 => Some(LossReason::MaxHold),
            _ => Some(LossReason::Shutdown),
        }
    }

    /// The task has its grant.
    pub(crate) fn granted(&self, fence: u64, until: Moment) {
        self.fence.store(fence, Ordering::Relaxed);
        self.extend(until);
    }

    /// Steps may start until then, unless the lease has ended.
    pub(crate) fn extend(&self, until: Moment) {
        let later = |current: u64| (current != ENDED).then(|| current.max(until.nanos()));
        // Whether it was raised does not matter to anybody.
        let _ = self.until.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// No step may start any more.
    pub(crate) fn end(&self) {
        self.until.store(ENDED, Ordering::SeqCst);
    }

    /// The lease is lost: no step may start any more, and everybody is told.
    pub(crate) fn lose(&self, reason: LossReason) {
        let code = match reason {
            LossReason::Expired => 1,
            LossReason::Stolen => 2,
            LossReason::MaxHold => 3,
            LossReason::Shutdown => 4,
        };
        // The first loss is the one that counts.
        let _ = self.loss.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst);
        self.end();
        self.wake();
    }

    /// A step of the body is about to start: true if it may.
    ///
    /// The store of `in_step` and the load of `until` are in one order with the reverse at process exit, so that
    /// either this step does not start or the exit sees it.
    pub(crate) fn start_step(&self, now: Moment) -> bool {
        self.in_step.store(true, Ordering::SeqCst);
        let may = now < self.until() || planted(Mutant::LossIgnored);
        if !may {
            self.end_step();
        }
        may
    }

    /// The step is over.
    pub(crate) fn end_step(&self) {
        self.in_step.store(false, Ordering::Release);
    }

    /// Whether the body is in the middle of a step.
    pub(crate) fn is_in_step(&self) -> bool {
        self.in_step.load(Ordering::SeqCst)
    }

    /// Whom to wake; the task's last word counts.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = enter(&self.waker);
        if slot.as_ref().is_some_and(|current| current.will_wake(waker)) {
            return;
        }
        let old = slot.replace(waker.clone());
        drop(slot);
        drop(old);
    }

    pub(crate) fn wake(&self) {
        let waker = enter(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
        self.changed.notify_waiters();
    }

    /// Comes back with an answer as soon as `answer` has one; asks at once, and after every wake.
    pub(crate) async fn until_some<T>(&self, mut answer: impl FnMut() -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(answer) = answer() {
                return answer;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Wait;
    use std::time::Duration;

    fn seat() -> Arc<Seat> {
        let ttl = Duration::from_secs(1);
        let terms = Terms { ttl, wait: Wait::Forever, renew: true, max_hold: None, min_hold: None };
        Seat::new("here".into(), "key".into(), terms)
    }

    const fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn no_step_starts_before_the_grant_nor_at_the_deadline() {
        let seat = seat();
        assert!(!seat.start_step(at(5)));
        seat.granted(7, at(10));
        assert!(seat.start_step(at(9)) && seat.is_in_step());
        seat.end_step();
        assert!(!seat.start_step(at(10)) && !seat.is_in_step());
        assert_eq!(seat.fence(), 7);
    }

    #[test]
    fn an_ended_lease_is_never_extended() {
        let seat = seat();
        seat.granted(7, at(10));
        seat.lose(LossReason::Stolen);
        seat.extend(at(100));
        assert!(!seat.start_step(at(5)));
        seat.lose(LossReason::Shutdown);
        assert_eq!(seat.loss(), Some(LossReason::Stolen));
    }
}
