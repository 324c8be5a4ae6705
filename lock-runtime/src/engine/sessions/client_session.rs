//! One session with its number, and whether what arrives over it counts.
//!
//! Must stay true: once a session is retired, nothing that arrives over it counts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

use crate::store::{ListenerId, Session, StoreError, StoreErrorKind};
use crate::system::random::Portion;
use lock_core::key::{SessionId, Via};
use lock_core::walk::TIME_OUTS_IN_A_ROW;

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientSession {
    pub(crate) id: SessionId,
    /// The listener that the store tells of grants over it, if it does.
    listener: Option<ListenerId>,
    pub(crate) store: Arc<dyn Session>,
    /// For tokens that are first sent over it.
    random: Portion,
    time_outs: AtomicU32,
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
        Self {
            id,
            listener,
            store,
            random: Portion::default(),
            time_outs: AtomicU32::new(0),
            retired,
            failed: Notify::new(),
            is_only: false,
        }
    }

    /// The only session of a store without connections.
    pub(super) fn only(id: SessionId, store: Arc<dyn Session>) -> Self {
        Self { is_only: true, ..Self::new(id, None, store, Arc::default()) }
    }

    /// Whether the store tells it of grants.
    pub(crate) fn listens(&self) -> bool {
        self.listener.is_some()
    }

    /// Completes when it is retired; the task that keeps it open waits for that.
    pub(super) async fn retired(&self) {
        self.failed.notified().await;
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
        if self.time_outs.load(Ordering::Relaxed) != 0 {
            self.time_outs.store(0, Ordering::Relaxed);
        }
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

    /// An operation had no answer in time.
    pub(crate) fn timed_out(&self) {
        if self.time_outs.fetch_add(1, Ordering::Relaxed) + 1 >= TIME_OUTS_IN_A_ROW {
            self.retire();
        }
    }

    /// It has to be replaced, or has been.
    pub(super) fn retire(&self) {
        if !self.is_only && !self.retired.swap(true, Ordering::SeqCst) {
            self.failed.notify_one();
        }
    }
}

fn replaced() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the session was replaced before the answer came")
}
