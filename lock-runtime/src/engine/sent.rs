//! An operation that a task sent over its runtime's session.

use std::sync::Arc;
use std::task::{Context, Poll};

use lock_core::Moment;
use lock_core::key::AcquireRequest;
use lock_core::store::NodeId;

use crate::engine::handle::Handle;
use crate::engine::sessions::ClientSession;
use crate::store::{Acquired, Session, StoreError, StoreFuture};

pub(super) struct Sent<T> {
    pub(super) at: Moment,
    pub(super) session: Arc<ClientSession>,
    pub(super) operation: StoreFuture<Result<T, StoreError>>,
}

impl<T> Sent<T> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, StoreError>> {
        self.operation.as_mut().poll(cx).map(|answer| self.session.accept(answer))
    }
}

/// Sends an acquire request.
pub(super) fn ask(store: &dyn Session, request: AcquireRequest) -> StoreFuture<Result<Acquired, StoreError>> {
    match request {
        AcquireRequest::Ask(ask) => store.acquire(ask),
        AcquireRequest::Look(look) => store.look(look),
        AcquireRequest::Enqueue(enqueue) => store.enqueue(*enqueue),
    }
}

/// The session that carried an answer, if it is usable, else that of the current runtime.
pub(super) fn usable_or_current(carried: Option<Arc<ClientSession>>, handle: &Handle) -> Option<Arc<ClientSession>> {
    carried.filter(|session| session.is_usable()).or_else(|| handle.shared().sessions.current(NodeId::ONLY))
}
