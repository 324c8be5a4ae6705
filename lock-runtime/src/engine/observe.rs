//! One function per event: it writes the trace and counts.
//!
//! Busy is not an error. No event contains a token or a password.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{Id, Span, debug, field, warn};

use crate::engine::digest::{Digest, Failed, Noted, Warning};
use crate::engine::lease_state::LeaseState;
use crate::store::StoreError;
use lock_core::client::Tally;
use lock_core::{LockKey, LossReason, Moment};

/// Counters since the client began.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    acquired: AtomicU64,
    busy: AtomicU64,
    done: AtomicU64,
    unavailable: AtomicU64,
    lost: AtomicU64,
    passed_over: AtomicU64,
    renew_failed: AtomicU64,
    release_failed: AtomicU64,
    reconnected: AtomicU64,
    failures: Digest,
}

/// What a client has done so far, and what it is doing now.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// let guard = client.lock("job:42").acquire().await?;
/// assert_eq!((client.stats().acquired, client.stats().held), (1, 1));
/// guard.release().await?;
/// assert_eq!((client.stats().acquired, client.stats().held), (1, 0));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Locks granted.
    pub acquired: u64,
    /// Of these, locks that another client's release handed over to a waiter of this client by a message.
    pub granted_by_message: u64,
    /// Of these, locks that a waiter of this client found free, or its own, when it looked.
    pub granted_by_look: u64,
    /// Of these, locks that went from one call of this client to the next without asking the store.
    pub granted_locally: u64,
    /// Acquires that ended because the lock was held elsewhere.
    pub busy: u64,
    /// Acquires that ended because what was to be done under the lock is done.
    pub done: u64,
    /// Acquires that ended because the store did not answer, or refused.
    pub unavailable: u64,
    /// Leases lost while their body ran or their guard lived.
    pub lost: u64,
    /// Locks that went to the next waiter because the task of the one before was not polled for a second.
    pub passed_over: u64,
    /// Renewals that failed or had no answer; each was tried again until the deadline.
    pub renew_failed: u64,
    /// Releases that failed or had no answer, which are tried again; and releases of a lock that was no longer held.
    pub release_failed: u64,
    /// How often the keeper's connection was opened again.
    pub reconnected: u64,
    /// Leases held now.
    pub held: u64,
    /// Acquires in progress now.
    pub waiting: u64,
}

/// The span of one call under a lock; fields that are not known yet are recorded later.
pub(crate) fn span(template: &str, key: &LockKey) -> Span {
    tracing::info_span!(
        "distributed_lock",
        lock.template = (!template.is_empty()).then_some(template),
        lock.key = %key,
        lock.fence = field::Empty,
        lock.wait_ms = field::Empty,
        lock.hold_ms = field::Empty,
    )
}

/// The same of a call under several locks, which has no one fence.
pub(crate) fn span_of_several(template: &str, keys: &[LockKey]) -> Span {
    let keys = field::display(Listed(keys));
    tracing::info_span!(
        "distributed_lock",
        lock.template = (!template.is_empty()).then_some(template),
        lock.keys = keys,
        lock.wait_ms = field::Empty,
        lock.hold_ms = field::Empty,
    )
}

/// The call has all its locks.
pub(crate) fn all_granted(span: &Span, waited: Duration) {
    span.record("lock.wait_ms", millis(waited));
}

/// The call has its lock.
pub(crate) fn granted(span: &Span, fence: u64, waited: Duration) {
    span.record("lock.fence", fence).record("lock.wait_ms", millis(waited));
}

/// The call is part of an enclosing body that holds the lock.
pub(crate) fn joined(span: &Span, lease: &LeaseState) {
    let fence = lease.validity.fence();
    span.record("lock.fence", fence);
    debug!(lock.key = %lease.key, lock.fence = fence, "joined the enclosing body that holds the lock");
}

/// The body was dropped.
pub(crate) fn held_for(span: &Span, held_for: Duration) {
    span.record("lock.hold_ms", millis(held_for));
}

/// A lease is given back by whoever held it for so long.
pub(crate) fn released(key: &LockKey, fence: u64, held_for: impl FnOnce() -> Duration) {
    debug!(lock.key = %key, lock.fence = fence, lock.hold_ms = millis(held_for()), "lock released");
}

/// A body succeeded whose lease was lost before, so that nobody is told of it.
pub(crate) fn success_not_kept(key: &LockKey, reason: LossReason) {
    warn!(lock.key = %key, %reason, "a body succeeded when its lock was lost, so that the success is not kept");
}

/// A lease was not renewed for so long, which is half of its ttl: at the end of that it is lost.
pub(crate) fn half_over(span: Option<&Id>, key: &LockKey, since: Duration) {
    warn!(parent: span.cloned(), lock.key = %key, ?since, "lock was not renewed for half of its ttl");
}

/// The task of a body was woken and not polled for a ttl, while its lease is renewed.
pub(crate) fn not_polled(span: Option<&Id>, key: &LockKey, ttl: Duration) {
    let text = "the task of a body was not polled for the ttl of its lock, which stays held";
    warn!(parent: span.cloned(), lock.key = %key, ?ttl, "{text}");
}

/// An acquire was dropped before it had ended.
pub(crate) fn cancelled(key: &LockKey) {
    debug!(lock.key = %key, "acquire cancelled");
}

/// A call that names no client, outside of every scope, uses the installed one.
pub(crate) fn outside_of_scopes(key: &LockKey) {
    debug!(lock.key = %key, "no scope here: using the installed client");
}

fn warn_of(warning: &Warning) {
    let Warning { failed, failures, key, error } = warning;
    let error = error.as_ref().map(|error| field::display(Chain(error)));
    match failed {
        Failed::Acquire => warn!(lock.key = %key, failures, error, "failed to acquire lock"),
        Failed::Renewal => warn!(lock.key = %key, failures, error, "failed to renew lock"),
        Failed::Release => warn!(lock.key = %key, failures, error, "failed to release lock"),
        Failed::Look => {
            warn!(lock.key = %key, failures, "the task of a waiter was not polled, so its lock went to the next");
        }
    }
}

pub(crate) fn connection_failed(place: &str, error: &StoreError) {
    warn!(store = place, error = %Chain(error), "failed to connect to lock store");
}

/// The store keeps no card of this client, so that nobody can tell whose its tokens are.
pub(crate) fn card_refused(place: &str, error: &StoreError) {
    debug!(store = place, error = %Chain(error), "lock store refused the client's card");
}

impl Observed {
    pub(crate) fn acquired(&self, key: &LockKey, fence: u64) {
        count(&self.acquired);
        debug!(lock.key = %key, lock.fence = fence, "lock acquired");
    }

    pub(crate) fn busy(&self, key: &LockKey) {
        count(&self.busy);
        debug!(lock.key = %key, "lock is held elsewhere");
    }

    pub(crate) fn done(&self, key: &LockKey) {
        count(&self.done);
        debug!(lock.key = %key, "what the lock is for is done");
    }

    pub(crate) fn count_lost(&self) {
        count(&self.lost);
    }

    pub(crate) fn lost(span: Option<&Id>, key: &LockKey, fence: u64, reason: LossReason) {
        warn!(parent: span.cloned(), lock.key = %key, lock.fence = fence, %reason, "lock lost");
    }

    /// Something failed that may fail for very many locks at once: told for each at debug, and together with others as
    /// a warning. Returns whether this is the first that is to be told of later.
    pub(crate) fn failed(&self, now: Moment, failed: Failed, key: &LockKey, error: Option<&StoreError>) -> bool {
        let (counter, text) = match failed {
            Failed::Acquire => (&self.unavailable, "an acquire failed"),
            Failed::Renewal => (&self.renew_failed, "a renewal failed"),
            Failed::Release => (&self.release_failed, "a release failed"),
            Failed::Look => (&self.passed_over, "a waiter was passed over"),
        };
        count(counter);
        let cause = error.map(|error| field::display(Chain(error)));
        debug!(lock.key = %key, error = cause, "{text}");
        match self.failures.note(now, failed, key, error) {
            Noted::Tell(warning) => warn_of(&warning),
            Noted::HeldBack { first } => return first,
        }
        false
    }

    /// Tells what was held back for long enough.
    pub(crate) fn tell_overdue(&self, now: Moment) {
        self.failures.overdue(now).iter().for_each(warn_of);
    }

    /// When something that is held back is to be told.
    pub(crate) fn tells_at(&self) -> Moment {
        self.failures.due()
    }

    pub(crate) fn released_after_loss(&self, key: &LockKey) {
        count(&self.release_failed);
        warn!(lock.key = %key, "lock was no longer held when it was released");
    }

    pub(crate) fn reconnected(&self, place: &str) {
        count(&self.reconnected);
        debug!(store = place, "reconnected to lock store");
    }

    pub(crate) fn stats(&self, held: usize, waiting: usize, tally: Tally) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            acquired: read(&self.acquired),
            granted_by_message: tally.by_message,
            granted_by_look: tally.by_look,
            granted_locally: tally.locally,
            busy: read(&self.busy),
            done: read(&self.done),
            unavailable: read(&self.unavailable),
            lost: read(&self.lost),
            passed_over: read(&self.passed_over),
            renew_failed: read(&self.renew_failed),
            release_failed: read(&self.release_failed),
            reconnected: read(&self.reconnected),
            held: held as u64,
            waiting: waiting as u64,
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Keys in one line.
struct Listed<'a>(&'a [LockKey]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before = "";
        self.0.iter().try_for_each(|key| write!(f, "{}{key}", std::mem::replace(&mut before, ", ")))
    }
}

/// An error and its sources, in one line.
struct Chain<'a>(&'a StoreError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
