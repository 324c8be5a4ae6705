//! An acquire, as its task drives it to a grant.
//!
//! Dropped at any point, it tells the client's state, which cleans up. Its drop does not block, panic or need a
//! runtime.
//! Must stay true: the task's waker is taken out of the lease's state before the client's state is told that the task
//! is gone, because the client may then drop the lease's state under its mutex.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lock_core::key::Refusal;
use lock_core::lease::Terms;
use lock_core::walk::{self, AcquireStep, Answer};
use lock_core::{LockError, Moment};

use crate::engine::digest::Failed;
use crate::engine::enclosing;
use crate::engine::handle::Handle;
use crate::engine::holding::Holding;
use crate::engine::joined::Joined;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe;
use crate::engine::sent::{Sent, ask, usable_or_current};
use crate::engine::sessions::ClientSession;
use crate::store::{Acquired, ClientId, StoreError, StoreErrorKind, Token};
use crate::system::paused::{self, HeldOff};
use crate::system::{clock, foreign, random};

/// See the module.
pub(crate) struct Acquiring {
    handle: Handle,
    state: Arc<LeaseState>,
    progress: Progress,
    /// While a paused clock of a test is kept from running ahead.
    held_off: Option<HeldOff>,
}

/// An enum, so that what is needed before the arrival and what is needed after share memory in every call's future.
enum Progress {
    /// The call arrives with its first poll.
    NotArrived(Terms),
    Arrived {
        walk: walk::Acquiring,
        /// With the token that was asked for.
        sent: Option<(Token, Sent<Acquired>)>,
    },
    /// In a forked process.
    Ended,
}

impl Acquiring {
    pub(crate) fn new(handle: Handle, state: Arc<LeaseState>, terms: Terms) -> Self {
        Self { handle, state, progress: Progress::NotArrived(terms), held_off: None }
    }

    /// The lease of an enclosing body that this call can be part of, asked before it has arrived.
    pub(crate) fn joins(&self) -> Option<Joined> {
        let Progress::NotArrived(terms) = &self.progress else { return None };
        let outer = enclosing::holder(&self.state.place, &self.state.key)?;
        outer.kind().covers(terms.kind).then(|| Joined::new(outer))
    }

    /// Takes steps until it has to wait or has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Holding, LockError>> {
        if self.handle.shared().is_forked() {
            return Poll::Ready(Err(LockError::forked(self.state.key.clone())));
        }
        let polled = self.advance(cx);
        if polled.is_pending() {
            let is_sent = matches!(self.progress, Progress::Arrived { sent: Some(_), .. });
            let longest = if is_sent { paused::FOR_AN_ANSWER } else { paused::FOR_A_HOLDER };
            if self.held_off.as_ref().is_none_or(|held_off| held_off.longest() != longest) {
                self.held_off = HeldOff::at_most(longest);
            }
        } else {
            self.held_off = None;
        }
        polled
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Holding, LockError>> {
        self.state.register(cx.waker());
        let mut is_new = false;
        loop {
            let (answer, carried) = self.answer(cx).unzip();
            if is_new && answer.is_none() {
                // Any later change wakes this task.
                return Poll::Pending;
            }
            let session = usable_or_current(carried, &self.handle);
            let (at, step) = match self.step(session.as_deref(), answer) {
                Ok(step) => step,
                Err(error) => return Poll::Ready(Err(error)),
            };
            match (step, session) {
                (AcquireStep::Send(request), Some(session)) => {
                    let token = request.token();
                    let operation = ask(&*session.store, request);
                    self.remember(Some((token, Sent { at, session, operation })));
                }
                (AcquireStep::Granted { holding, fence, until }, _) => {
                    self.state.validity.granted(fence, until);
                    return Poll::Ready(Ok(Holding::new(self.handle.clone(), Arc::clone(&self.state), holding)));
                }
                (AcquireStep::Refused(refusal, waited), _) => {
                    return Poll::Ready(Err(self.refused(at, refusal, waited)));
                }
                (AcquireStep::AwaitAnswer, _) => return Poll::Pending,
                _ => {
                    // The answer to what this task sent is no longer awaited.
                    self.remember(None);
                    return Poll::Pending;
                }
            }
            is_new = true;
        }
    }

    fn remember(&mut self, what: Option<(Token, Sent<Acquired>)>) {
        if let Progress::Arrived { sent, .. } = &mut self.progress {
            *sent = what;
        }
    }

    /// The answer to what this task sent, if there is one, and the session that carried it.
    fn answer(&mut self, cx: &mut Context<'_>) -> Option<(Answer, Arc<ClientSession>)> {
        let Progress::Arrived { sent: slot, .. } = &mut self.progress else { return None };
        let Poll::Ready(result) = slot.as_mut()?.1.poll(cx) else { return None };
        let (token, Sent { at: sent, session, .. }) = slot.take()?;
        Some((Answer { token, sent, result }, session))
    }

    /// Passes the answer to the client's state and gets the next step; the first step is the arrival.
    fn step(
        &mut self,
        session: Option<&ClientSession>,
        answer: Option<Answer>,
    ) -> Result<(Moment, AcquireStep), LockError> {
        let (via, state) = (session.map(ClientSession::via), &self.state);
        let terms = match &mut self.progress {
            Progress::NotArrived(terms) => *terms,
            Progress::Ended => return Err(LockError::forked(state.key.clone())),
            Progress::Arrived { walk, .. } => {
                return Ok(self.handle.shared().with(|client, now| (now, walk.go_on(client, now, via, answer))));
            }
        };
        let key = &state.key;
        if enclosing::holder(&state.place, key).is_some() {
            return Err(LockError::already_held(key.clone()));
        }
        let token = new_token(session, self.handle.shared().introduction.id)
            .map_err(|error| LockError::unavailable(key.clone(), error))?;
        let caller = Arc::clone(state);
        let arrive =
            |client: &mut _, now| (now, walk::Acquiring::arrive(client, now, via, (key, token, caller), terms));
        let (now, (walk, step)) = self.handle.shared().with(arrive);
        self.progress = Progress::Arrived { walk, sent: None };
        Ok((now, step))
    }

    fn refused(&self, now: Moment, refusal: Refusal, waited: Duration) -> LockError {
        let key = self.state.key.clone();
        let shared = self.handle.shared();
        match refusal {
            Refusal::Busy { free_at } => {
                shared.observed.busy(&key);
                let left = free_at.map(|free_at| free_at.since(now)).filter(|left| !left.is_zero());
                match (LockError::busy(key, waited), left) {
                    (error, Some(left)) => error.with_free_in(left),
                    (error, None) => error,
                }
            }
            Refusal::Done { until } => {
                shared.observed.done(&key);
                LockError::done(key, until.since(now))
            }
            Refusal::Unavailable(error) => {
                shared.tell_of(Failed::Acquire, &key, Some(&error));
                LockError::unavailable(key, error)
            }
            Refusal::ShuttingDown => LockError::shutting_down(key),
        }
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        if self.handle.shared().is_forked() {
            // It is the parent's, and so is its connection.
            return std::mem::forget(std::mem::replace(&mut self.progress, Progress::Ended));
        }
        // First drop what was sent, so that the release goes behind it.
        self.remember(None);
        if let Progress::Arrived { walk, .. } = &mut self.progress
            && walk.id().is_some()
        {
            self.state.unregister();
            self.handle.shared().with(|client, now| walk.abandon(client, now));
            foreign::run(|| observe::cancelled(&self.state.key));
        }
    }
}

/// A token that nobody else has, asked for now.
fn new_token(session: Option<&ClientSession>, client: ClientId) -> Result<Token, StoreError> {
    let second = u32::try_from(clock::since_1970().as_secs()).unwrap_or(u32::MAX);
    let random = session.map_or_else(random::number, ClientSession::random).map_err(|error| {
        let text = format!("the operating system provided no random bits for a token: {error}");
        StoreError::new(StoreErrorKind::Unready, text)
    })?;
    Ok(Token::new(client, second, random))
}
