//! What a task and the keeper share about one acquire and the lease that comes of it.
//!
//! The client's state acts on a task through it: the task is woken here, and reads its deadline here.
//! Must stay true: no mutex is locked while a waker is cloned, runs or is dropped; when its task is gone, there is no
//! waker.
//! `interleavings.rs` compiles this file once more over loom's primitives, to try every interleaving; so its primitives
//! come from `super`.

use std::ptr;
use std::sync::Arc;
use std::task::{Poll, Waker};

use lock_core::store::Kind;
use lock_core::{LockKey, LossReason, Moment};
use tokio::sync::Notify;
use tracing::Id;

use crate::system::foreign;
use crate::system::forks::Process;

use super::sync::{AtomicBool, AtomicU8, AtomicUsize, Mutex, Ordering, Validity, enter};

/// Whether a lease's task is watched: not if it has no body; then whether it was woken to show that it is polled, and
/// whether it was told of that it did not.
const UNWATCHED: u8 = 0;
const WATCHED: u8 = 1;
const ASKED: u8 = 2;
const TOLD_OF: u8 = 3;

/// Whether a success is awaited, to be kept, and whether there was one.
const NOT_ASKED: u8 = 0;
const AWAITED: u8 = 1;
const SUCCEEDED: u8 = 2;

/// No vtable has this address.
const NOBODY: usize = 0;

#[derive(Debug)]
pub(crate) struct LeaseState {
    /// The identity of the store, and the key in it.
    pub(crate) place: Arc<str>,
    pub(crate) key: LockKey,
    kind: Kind,
    is_downgraded: AtomicBool,
    /// One of the constants above.
    success: AtomicU8,
    /// The caller's span, which what the keeper has to tell belongs to. Not the span itself: whoever keeps this state
    /// would keep that open.
    pub(crate) span: Option<Id>,
    pub(crate) validity: Validity,
    made_in: Process,
    waker: Mutex<Option<Waker>>,
    /// The addresses of the waker's data and vtable. No vtable, no waker.
    registered: (AtomicUsize, AtomicUsize),
    /// One of the constants above.
    watch: AtomicU8,
    /// Whether the task was polled since it was last woken to show that.
    polled: AtomicBool,
    changed: Notify,
}

impl LeaseState {
    pub(crate) fn new(place: Arc<str>, key: LockKey, kind: Kind, span: Option<Id>) -> Arc<Self> {
        Arc::new(Self {
            place,
            key,
            kind,
            is_downgraded: AtomicBool::new(false),
            success: AtomicU8::new(NOT_ASKED),
            span,
            validity: Validity::default(),
            made_in: Process::current(),
            waker: Mutex::new(None),
            registered: (AtomicUsize::new(NOBODY), AtomicUsize::new(NOBODY)),
            watch: AtomicU8::new(UNWATCHED),
            polled: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// Beside whom it is held.
    pub(crate) fn kind(&self) -> Kind {
        if self.is_downgraded.load(Ordering::Relaxed) { Kind::Shared } else { self.kind }
    }

    /// It counts as shared from now on.
    pub(crate) fn count_as_shared(&self) {
        self.is_downgraded.store(true, Ordering::Relaxed);
    }

    /// The success of its body is to be kept.
    pub(crate) fn await_success(&self) {
        self.success.store(AWAITED, Ordering::Relaxed);
    }

    pub(crate) fn awaits_success(&self) -> bool {
        self.success.load(Ordering::Relaxed) != NOT_ASKED
    }

    /// Its body has succeeded, in the step that is about to end.
    pub(crate) fn succeed(&self) {
        self.success.store(SUCCEEDED, Ordering::Relaxed);
    }

    pub(crate) fn has_succeeded(&self) -> bool {
        self.success.load(Ordering::Relaxed) == SUCCEEDED
    }

    /// How the lease was lost; a copy in a forked process has none from the start.
    pub(crate) fn loss(&self) -> Option<LossReason> {
        if self.made_in.is_parent() { Some(LossReason::Forked) } else { self.validity.loss() }
    }

    /// No step may start from then on; at once in a forked process.
    pub(crate) fn until(&self) -> Moment {
        if self.made_in.is_parent() { Moment::MIN } else { self.validity.until() }
    }

    /// The lease ends without a loss: no step may start any more, and all who wait for its end are told.
    pub(crate) fn end(&self) {
        self.validity.end();
        foreign::run(|| self.changed.notify_waiters());
    }

    /// The lease is lost: no step may start any more, and all who wait for that are woken.
    pub(crate) fn lose(&self, reason: LossReason) {
        self.validity.lose(reason);
        self.wake();
    }

    /// Registers the waker of the lease's own task, which calls this at every poll.
    ///
    /// A waker that is registered already does not need the mutex. It may be about to be taken just then; but whoever
    /// takes it clears `registered` before waking, so the poll that follows registers anew.
    /// The addresses are those of the stored clone, not of the waker that was cloned: that one may be dropped before
    /// the next poll and its address reused by another task's, while nobody else can have the clone's.
    pub(crate) fn register(&self, waker: &Waker) {
        let (data, table) = addresses(waker);
        let (known_data, known_table) = &self.registered;
        if known_table.load(Ordering::Acquire) == table && known_data.load(Ordering::Relaxed) == data {
            return;
        }
        // Cloning and dropping a waker is foreign code.
        let new = waker.clone();
        let (data, table) = addresses(&new);
        let mut slot = enter(&self.waker);
        let old = slot.replace(new);
        known_data.store(data, Ordering::Relaxed);
        known_table.store(table, Ordering::Release);
        self.polled.store(true, Ordering::Release);
        drop(slot);
        drop(old);
    }

    /// The lease has a body, whose task is woken now and then to show that it is polled.
    pub(crate) fn watch(&self) {
        self.watch.store(WATCHED, Ordering::Relaxed);
    }

    /// Wakes the task of a body so that it shows that it is polled. Returns whether it was not, since it was last woken
    /// so; that is said once.
    pub(crate) fn show_polled(&self) -> bool {
        match self.watch.load(Ordering::Relaxed) {
            UNWATCHED | TOLD_OF => return false,
            ASKED if !self.polled.load(Ordering::Acquire) => {
                self.watch.store(TOLD_OF, Ordering::Relaxed);
                return true;
            }
            _ => {}
        }
        self.watch.store(ASKED, Ordering::Relaxed);
        self.polled.store(false, Ordering::Release);
        // Whoever is polled from now on registers anew, and is seen to.
        self.wake();
        false
    }

    /// The task is gone and its waker is taken out, so that dropping this runs no foreign code.
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

    /// Returns as soon as `answer` is some; asks at once, and after every wake-up.
    pub(crate) async fn until_some<T>(&self, mut answer: impl FnMut() -> Option<T>) -> T {
        // Before anything is locked, which may be so for ever in a forked process.
        if let Some(answer) = answer() {
            return answer;
        }
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(answer) = answer() {
                return answer;
            }
            // Asked at each poll, since nobody wakes the copy of this in a forked process.
            let polled = std::future::poll_fn(|cx| match answer() {
                Some(answer) => Poll::Ready(Some(answer)),
                None => changed.as_mut().poll(cx).map(|()| None),
            });
            if let Some(answer) = polled.await {
                return answer;
            }
        }
    }
}

/// What identifies a waker: the addresses of its data and vtable.
fn addresses(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

#[cfg(test)]
#[path = "lease_state/tests.rs"]
mod tests;
