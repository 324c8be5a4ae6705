//! What a store does: one round trip at a time, atomic, and harmless to repeat.
//!
//! A [`Store`] opens [`Session`]s; a session carries the operations on one key in order. An operation never sleeps, never
//! tries again and never renews: those exist once, above. Every operation names a token, so that asking
//! twice after a lost reply does no harm.
//! Absent on purpose: deadlines, waiting and anything that knows of tasks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::capabilities::Capabilities;
use super::error::StoreError;
#[cfg(doc)]
use super::operations::Entry;
use super::operations::{Acquired, Ask, Enqueue, Listener, Look, Release, Released, Renewal, Renewed, Rotate, Rotated};

/// The future that a store's operation returns. Nothing is sent before its first poll.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A place that keeps locks, such as a server.
///
/// # Contract
/// The conformance suite (`lock_runtime::conformance`) states it as tests. In words:
/// a key has at most one token, and it expires by itself; an operation compares the token and acts in one atomic
/// step; fences grow with every grant of a key. A store that [`queues`](Capabilities::queues) keeps its waiters in order,
/// too.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Names the place and the namespace in it. Two stores of one identity keep the same locks. Holds no secret.
    fn identity(&self) -> &str;

    /// What it claims to do beyond what every store must; the same each time. A client asks once, before anything is
    /// sent, and sends nothing that was not claimed. A store that wraps another hands on what that one claims.
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    /// A session that needs no opening and no runtime, if the store has no connections.
    fn session(&self) -> Option<Arc<dyn Session>> {
        None
    }

    /// Opens a session, on the runtime that polls the future.
    ///
    /// It may stay pending for as long as it takes; the caller gives up by dropping it.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`](crate::store::StoreErrorKind::Refused) when trying again is pointless (wrong
    /// credentials, a server that is too old), [`StoreErrorKind::Disconnected`](crate::store::StoreErrorKind::Disconnected)
    /// else.
    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>>;

    /// Opens a session that also tells `listener` of the grants to its waiters, for as long as the session is there
    /// and open; [`Session::listens`] says whether it does.
    ///
    /// A client opens one such session for each runtime that calls and one for itself, each for a listener of its own;
    /// or one alone, where the store [wants](Capabilities::with_one_session) that. All of them lead to one place and
    /// read one clock. A store that keeps no queues needs none: its waiters look.
    ///
    /// # Errors
    /// As [`open`](Store::open). That a server refuses to tell of grants is no error.
    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        drop(listener);
        self.open()
    }
}

/// A line to a store that is ordered for each key: of two operations on one key, the one whose future was polled first
/// takes effect first. A batch of renewals is an operation on each of its keys. Nothing is promised of operations on
/// different keys, nor of two sessions.
///
/// Dropping an operation's future leaves open whether it takes effect. An operation may stay without an answer: a
/// client drops it after its time-out. A session that is no longer open tells its listener of nothing; that is told
/// where nothing is locked that the session's own methods need. A session may be used from any thread and any runtime,
/// for as long as the runtime that opened it lives.
///
/// An operation takes effect in its place or, being harmless there, behind what was sent after it. One that could take
/// a key or queue somebody behind the release of the same token must not do so: a session that cannot carry it out at
/// once answers [`StoreErrorKind::NotExecuted`](crate::store::StoreErrorKind::NotExecuted) instead of sending it a
/// second time.
pub trait Session: fmt::Debug + Send + Sync + 'static {
    /// Takes the key if it is free, for a token that was never sent before.
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>>;

    /// Takes the key if it is free and nobody waits for it, or is held by this very token already; says else for how
    /// long it is held. A lease that the token has already is never made shorter. If the key is free and others wait,
    /// it is handed to the first of them who is alive.
    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>>;

    /// The same for a token that waits: it takes its place in the queue or keeps it, unless it is granted the key. A
    /// store without queues looks.
    fn enqueue(&self, enqueue: Enqueue) -> StoreFuture<Result<Acquired, StoreError>> {
        self.look(enqueue.into_look().0)
    }

    /// Makes each lease whose token still holds its key last `ttl` from now, or as long as it did if that is longer.
    /// Never creates a key. Answers for each renewal by itself, in order.
    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>>;

    /// Takes the token out of the queue if the release says so. Then, if the token holds the key: hands it to the first
    /// waiter who is alive, or frees it; or keeps it for `keep`, if there is that: held as before, but by nobody. No
    /// renewal, release, rotation or look of this token or another finds it its own, so that nothing which comes late
    /// lengthens, shortens or frees it.
    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>>;

    /// If the token holds the key: hands it to the first waiter who is alive and queues `next`; or keeps it, with new
    /// fences, if nobody else waits. If nobody waits but entries of an [unknown version](Entry), it frees the key and queues
    /// nobody, so that they find it free when they look. A store without queues frees the key.
    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        let release = self.release(Release::new(rotation.key, rotation.token).with_contended(true));
        Box::pin(async move {
            Ok(match release.await? {
                Released::Freed => Rotated::Freed,
                Released::NotOurs => Rotated::NotOurs,
            })
        })
    }

    /// Whether the store tells this session's listener of grants.
    fn listens(&self) -> bool {
        false
    }

    /// False once operations through this session can only fail, or its listener is no longer told.
    fn is_open(&self) -> bool;

    /// Comes back when [`is_open`](Self::is_open) has become false, for those who ask for nothing meanwhile. A session
    /// that cannot tell stays pending, and is found out when it is used next. The future does not keep the session.
    fn closed(&self) -> StoreFuture<()> {
        Box::pin(std::future::pending())
    }
}
