//! One session with its number, and whether what arrives over it counts.
//!
//! Must stay true: once a session is retired, nothing that arrives over it counts.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::store::{ListenerId, Session, StoreError, StoreErrorKind};
use crate::system::random::Portion;
use lock_core::key::{SessionId, Via};

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientSession {
    pub(crate) id: SessionId,
    /// The listener that the store tells of grants over it, if it does.
    listener: Option<ListenerId>,
    pub(crate) store: Arc<dyn Session>,
    /// For tokens that are first sent over it.
    random: Portion,
    /// Another session replaces it, or has to.
    retired: Arc<AtomicBool>,
    failed: Notify,
    /// There is no other session to replace it.
    is_only: bool,
}

impl ClientSession {
    /// Whoever receives its messages shares the flag `retired`.
    pub(super) fn new(
        id: SessionId,
        listener: Option<ListenerId>,
        store: Arc<dyn Session>,
        retired: Arc<AtomicBool>,
    ) -> Self {
        Self { id, listener, store, random: Portion::default(), retired, failed: Notify::new(), is_only: false }
    }

    /// The only session of a store without connections.
    pub(super) fn only(id: SessionId, store: Arc<dyn Session>) -> Self {
        Self { is_only: true, ..Self::new(id, None, store, Arc::default()) }
    }

    /// Whether the store tells it of grants.
    pub(crate) fn listens(&self) -> bool {
        self.listener.is_some()
    }

    /// Completes when it is retired; whoever keeps it open, or awaits an answer over it, waits for that.
    pub(crate) async fn retired(&self) {
        let mut failed = pin!(self.failed.notified());
        // Whoever retires it from here on notifies, and whoever did before shows in the flag.
        failed.as_mut().enable();
        if !self.retired.load(Ordering::SeqCst) {
            failed.await;
        }
    }

    /// The random part of a token.
    pub(crate) fn random(&self) -> io::Result<u64> {
        self.random.number()
    }

    /// The session, as the client's state knows it.
    pub(crate) fn via(&self) -> Via {
        Via { session: self.id, listener: self.listener }
    }

    /// False for good, once it is false.
    pub(crate) fn is_usable(&self) -> bool {
        if self.retired.load(Ordering::SeqCst) {
            return false;
        }
        let is_open = self.store.is_open();
        if !is_open {
            self.retire();
        }
        is_open
    }

    /// An operation was answered, by the store or by an error; returns that answer if it counts.
    ///
    /// Behind a replaced session there may be a server that is no longer the primary, so an answer over it is turned
    /// into an error: the request is then sent again or undone.
    pub(crate) fn accept<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        match answer {
            Err(error) if error.kind() == StoreErrorKind::Disconnected => {
                self.is_usable();
                Err(error)
            }
            answer if self.is_usable() => answer,
            Ok(_) => Err(replaced()),
            Err(error) => Err(replaced().with_source(error)),
        }
    }

    /// It has to be replaced, or has been.
    pub(super) fn retire(&self) {
        if !self.is_only && !self.retired.swap(true, Ordering::SeqCst) {
            self.failed.notify_waiters();
        }
    }
}

fn replaced() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the session was replaced before the answer came")
}
