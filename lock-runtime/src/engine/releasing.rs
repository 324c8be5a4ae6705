//! A release that a task awaits. When it is dropped, the release goes on without the task.

use std::sync::Arc;
use std::task::{Context, Poll};

use lock_core::key::{ReleaseReply, ReleaseRequest, ReleaseStep};
use lock_core::walk::{self, ReleaseAnswer};
use lock_core::{LockKey, Moment};

use crate::engine::digest::Failed;
use crate::engine::handle::Handle;
use crate::engine::lease_state::LeaseState;
use crate::engine::sent::{Sent, usable_or_current};
use crate::engine::sessions::ClientSession;
use crate::store::{Released, Rotated, StoreError, StoreErrorKind};
use crate::system::paused::{self, HeldOff};

/// See the module.
pub(crate) struct Releasing {
    handle: Handle,
    state: Arc<LeaseState>,
    /// None once it has ended.
    walk: Option<walk::Releasing>,
    sent: Option<SentRelease>,
    /// The step that was just taken has not been polled yet.
    is_new: bool,
    /// While a paused clock of a test is kept from running ahead.
    held_off: Option<HeldOff>,
}

/// The release that this task sent. An enum, because a boxed trait object would cost the common case an allocation.
enum SentRelease {
    Release(Sent<Released>),
    Rotate(Sent<Rotated>),
    /// Finished without a request to the store.
    Finished(Result<Released, StoreError>),
}

impl SentRelease {
    fn new(at: Moment, session: Arc<ClientSession>, request: ReleaseRequest) -> Self {
        match request {
            ReleaseRequest::Release(release) => {
                let operation = session.store.release(release);
                Self::Release(Sent { at, session, operation })
            }
            ReleaseRequest::Rotate(rotate) => {
                let operation = session.store.rotate(*rotate);
                Self::Rotate(Sent { at, session, operation })
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ReleaseReply, StoreError>> {
        match self {
            Self::Release(sent) => sent.poll(cx).map_ok(ReleaseReply::Released),
            Self::Rotate(sent) => sent.poll(cx).map_ok(ReleaseReply::Rotated),
            Self::Finished(_) => Poll::Pending,
        }
    }

    /// The session that carries it.
    fn into_session(self) -> Option<Arc<ClientSession>> {
        match self {
            Self::Release(Sent { session, .. }) | Self::Rotate(Sent { session, .. }) => Some(session),
            Self::Finished(_) => None,
        }
    }
}

impl Releasing {
    /// With the step that was taken when the lease ended, and the session at that time.
    pub(super) fn new(
        handle: Handle,
        state: Arc<LeaseState>,
        released: Option<(Moment, (walk::Releasing, ReleaseStep))>,
        session: Option<Arc<ClientSession>>,
    ) -> Self {
        let mut releasing = Self { handle, state, walk: None, sent: None, is_new: true, held_off: None };
        if let Some((at, (walk, step))) = released {
            releasing.walk = Some(walk);
            if let Some(ReleaseStep::Done(outcome)) = releasing.take(at, step, session) {
                releasing.sent = Some(SentRelease::Finished(outcome));
            }
        }
        releasing
    }

    /// What is released.
    pub(crate) fn key(&self) -> &LockKey {
        &self.state.key
    }

    /// Sends the request of this step; returns any other step.
    fn take(&mut self, at: Moment, step: ReleaseStep, session: Option<Arc<ClientSession>>) -> Option<ReleaseStep> {
        match (step, session) {
            (ReleaseStep::Send(request), Some(session)) => {
                self.sent = Some(SentRelease::new(at, session, request));
                None
            }
            (step, _) => Some(step),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Released, StoreError>> {
        let polled = self.advance(cx);
        if polled.is_ready() {
            self.held_off = None;
        } else if self.held_off.is_none() {
            self.held_off = HeldOff::at_most(paused::FOR_AN_ANSWER);
        }
        polled
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Released, StoreError>> {
        if self.handle.shared().is_forked() {
            return Poll::Ready(Err(StoreError::no_answer()));
        }
        match self.poll_open(cx) {
            // Nobody would send it any more, nor end the wait.
            Poll::Pending if self.handle.shared().thread.has_ended() => Poll::Ready(Err(closed())),
            polled => polled,
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Released, StoreError>> {
        self.state.register(cx.waker());
        if let Some(SentRelease::Finished(outcome)) = &self.sent {
            let outcome = outcome.clone();
            return Poll::Ready(self.over(outcome));
        }
        let mut is_new = std::mem::take(&mut self.is_new);
        loop {
            let answer = self.answer(cx);
            if is_new && answer.is_none() {
                // Any later change wakes this task.
                return Poll::Pending;
            }
            if let Some(step) = self.step(answer) {
                return self.goes_on(step);
            }
            is_new = true;
        }
    }

    /// After a step that sends nothing.
    fn goes_on(&mut self, step: ReleaseStep) -> Poll<Result<Released, StoreError>> {
        match step {
            ReleaseStep::Done(outcome) => return Poll::Ready(self.over(outcome)),
            ReleaseStep::AwaitAnswer => {}
            ReleaseStep::Send(_) | ReleaseStep::Pending => self.sent = None,
        }
        Poll::Pending
    }

    /// The answer to what this task sent, if there is one.
    fn answer(&mut self, cx: &mut Context<'_>) -> Option<(Arc<ClientSession>, Result<ReleaseReply, StoreError>)> {
        let Poll::Ready(result) = self.sent.as_mut()?.poll(cx) else { return None };
        Some((self.sent.take()?.into_session()?, result))
    }

    /// Passes the answer to the client's state and gets the next step.
    fn step(&mut self, answer: Option<(Arc<ClientSession>, Result<ReleaseReply, StoreError>)>) -> Option<ReleaseStep> {
        let Some(walk) = &mut self.walk else { return Some(ReleaseStep::Done(Ok(Released::NotOurs))) };
        let (carried, result) = answer.unzip();
        let answer = carried.as_deref().zip(result).map(|(via, result)| ReleaseAnswer { via: via.id, result });
        let session = usable_or_current(carried, &self.handle);
        let id = session.as_deref().map(|session| session.id);
        let (at, step) = self.handle.shared().with(|client, now| (now, walk.go_on(client, now, id, answer)));
        self.take(at, step, session)
    }

    fn over(&mut self, outcome: Result<Released, StoreError>) -> Result<Released, StoreError> {
        self.walk = None;
        self.sent = None;
        self.state.unregister();
        self.observe(&outcome);
        outcome
    }

    fn observe(&self, outcome: &Result<Released, StoreError>) {
        let shared = self.handle.shared();
        match outcome {
            Ok(Released::Freed) => {}
            Ok(Released::NotOurs) => shared.observed.released_after_loss(&self.state.key),
            Err(error) => shared.tell_of(Failed::Release, &self.state.key, Some(error)),
        }
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the client was closed before the release was confirmed")
}

impl Drop for Releasing {
    fn drop(&mut self) {
        if self.handle.shared().is_forked() {
            // It is the parent's, and so is its connection.
            return std::mem::forget(self.sent.take());
        }
        self.sent = None;
        if let Some(walk) = &mut self.walk {
            self.state.unregister();
            self.handle.shared().with(|client, now| walk.abandon(client, now));
        }
    }
}
