//! What a task and the keeper share about one acquire and the lease it becomes.
//!
//! The core speaks to a task through its seat: it is woken here, and reads here until when it may go on.
//! Must stay true: `until` only grows, and once the lease has ended it stays so; no lock is held while a waker is cloned,
//! runs or is dropped; a seat whose task is gone has no waker.
//! What threads do to it at once is tried in every order: `interleavings.rs` compiles this file once more, so that what
//! it shares state by comes from `super`.

use std::ptr;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::Notify;

use crate::clock::Moment;
use crate::error::LossReason;
use crate::foreign;
use crate::key::LockKey;
use crate::mutant::{Mutant, planted};

use super::sync::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Mutex, Ordering, enter, fence};

/// `until` of a lease that has ended: before every moment, and never raised again.
const ENDED: u64 = 0;
/// `until` before the grant.
const NOT_YET: u64 = 1;

/// The address of no table.
const NOBODY: usize = 0;

#[derive(Debug)]
pub(crate) struct Seat {
    /// The identity of the store, and the key in it.
    pub(crate) place: Arc<str>,
    pub(crate) key: LockKey,
    fence: AtomicU64,
    until: AtomicU64,
    loss: AtomicU8,
    in_step: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// The addresses of what is in `waker`: data and table. No table, no waker.
    registered: (AtomicUsize, AtomicUsize),
    changed: Notify,
}

impl Seat {
    pub(crate) fn new(place: Arc<str>, key: LockKey) -> Arc<Self> {
        Arc::new(Self {
            place,
            key,
            fence: AtomicU64::new(0),
            until: AtomicU64::new(NOT_YET),
            loss: AtomicU8::new(0),
            in_step: AtomicBool::new(false),
            waker: Mutex::new(None),
            registered: (AtomicUsize::new(NOBODY), AtomicUsize::new(NOBODY)),
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
        // A store would do. A swap costs the same, and loom knows its place in the row of raises.
        self.until.swap(ENDED, Ordering::SeqCst);
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
    /// The fence stands between a store and a load, as the one in [`end_at_exit`](Self::end_at_exit) does between the
    /// reverse, so that either this step does not start or the exit sees it.
    pub(crate) fn start_step(&self, now: Moment) -> bool {
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
    pub(crate) fn start_step_after_loss(&self) -> bool {
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
    pub(crate) fn end_step(&self) {
        self.in_step.store(false, Ordering::Release);
    }

    /// No step may start any more; true if one is under way, which nobody can stop.
    pub(crate) fn end_at_exit(&self) -> bool {
        self.end();
        fence(Ordering::SeqCst);
        self.in_step.load(Ordering::Acquire)
    }

    /// Whom to wake; the task's last word counts. Only the one task that has the seat calls this, poll by poll.
    ///
    /// The mutex is not entered for a waker that is there already. It may be about to be taken just then; but whoever
    /// takes it says so before it wakes, and so the poll that this wake leads to registers anew.
    /// What is known is the address of the clone that is here, not of the waker that it was made of: that one may be
    /// gone by the next poll and its address another task's, while nobody else has that of what is here.
    pub(crate) fn register(&self, waker: &Waker) {
        let (data, table) = addresses(waker);
        let (known_data, known_table) = &self.registered;
        if known_table.load(Ordering::Acquire) == table && known_data.load(Ordering::Relaxed) == data {
            return;
        }
        // To clone and to drop one is foreign code.
        let new = waker.clone();
        let (data, table) = addresses(&new);
        let mut slot = enter(&self.waker);
        let old = slot.replace(new);
        known_data.store(data, Ordering::Relaxed);
        known_table.store(table, Ordering::Release);
        drop(slot);
        drop(old);
    }

    /// The task goes, and takes its waker along: dropping the seat runs no foreign code from now on.
    pub(crate) fn unregister(&self) {
        drop(self.take_waker());
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take_waker() {
            foreign::run(|| waker.wake());
        }
        foreign::run(|| self.changed.notify_waiters());
    }

    fn take_waker(&self) -> Option<Waker> {
        let mut slot = enter(&self.waker);
        self.registered.1.store(NOBODY, Ordering::Release);
        slot.take()
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

/// Where a waker is told from others by: its data and its table.
fn addresses(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

#[cfg(test)]
#[path = "seat/tests.rs"]
mod tests;
