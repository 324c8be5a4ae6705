//! What a task and the keeper share about one acquire and the lease it becomes.
//!
//! The core speaks to a task through it: the task is woken here, and reads here until when it may go on.
//! Must stay true: no lock is held while a waker is cloned, runs or is dropped; when its task is gone, there is no waker.
//! What threads do to it at once is tried in every order: `interleavings.rs` compiles this file once more, so that what
//! it shares state by comes from `super`.

use std::ptr;
use std::sync::Arc;
use std::task::Waker;

use lock_core::{LockKey, LossReason};
use tokio::sync::Notify;

use crate::system::foreign;

use super::sync::{AtomicUsize, Mutex, Ordering, Validity, enter};

/// The address of no table.
const NOBODY: usize = 0;

#[derive(Debug)]
pub(crate) struct LeaseState {
    /// The identity of the store, and the key in it.
    pub(crate) place: Arc<str>,
    pub(crate) key: LockKey,
    pub(crate) validity: Validity,
    waker: Mutex<Option<Waker>>,
    /// The addresses of what is in `waker`: data and table. No table, no waker.
    registered: (AtomicUsize, AtomicUsize),
    changed: Notify,
}

impl LeaseState {
    pub(crate) fn new(place: Arc<str>, key: LockKey) -> Arc<Self> {
        Arc::new(Self {
            place,
            key,
            validity: Validity::default(),
            waker: Mutex::new(None),
            registered: (AtomicUsize::new(NOBODY), AtomicUsize::new(NOBODY)),
            changed: Notify::new(),
        })
    }

    /// The lease is lost: no step may start any more, and everybody is told.
    pub(crate) fn lose(&self, reason: LossReason) {
        self.validity.lose(reason);
        self.wake();
    }

    /// Whom to wake; the task's last word counts. Only its own task calls this, poll by poll.
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

    /// The task goes, and takes its waker along: dropping this runs no foreign code from now on.
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
#[path = "lease_state/tests.rs"]
mod tests;
