//! An operation that a task sent by its runtime's own session.

use std::sync::Arc;
use std::task::{Context, Poll};

use lock_core::Moment;
use lock_core::key::AcquireRequest;

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
        self.operation.as_mut().poll(cx).map(|answer| self.session.heard(answer))
    }
}

/// The future of a question.
pub(super) fn ask(store: &dyn Session, request: AcquireRequest) -> StoreFuture<Result<Acquired, StoreError>> {
    match request {
        AcquireRequest::Ask(ask) => store.acquire(ask),
        AcquireRequest::Look(look) => store.look(look),
        AcquireRequest::Enqueue(enqueue) => store.enqueue(enqueue),
    }
}

/// The session that an answer came over, else that of the runtime that this is called on.
pub(super) fn usable_or_here(carried: Option<Arc<ClientSession>>, handle: &Handle) -> Option<Arc<ClientSession>> {
    carried.filter(|session| session.is_usable()).or_else(|| handle.shared().sessions.here())
}
