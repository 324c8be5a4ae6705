//! One ticket's way through the core, as its task walks it: [`Acquiring`], [`Holding`], [`Releasing`].
//!
//! Each of the three owns the ticket; dropped half-way it tells the core, which cleans up after it. None of them
//! blocks, panics or needs a runtime when it is dropped.
//! Must stay true: who goes takes its waker out of the seat before the core hears of it, which may drop the seat under its
//! mutex.

use std::task::{Context, Poll};
use std::time::Duration;

use std::sync::Arc;

use lock_core::Moment;

use crate::engine::enclosing;
use crate::engine::handle::Handle;
use crate::engine::lease_state::LeaseState;
use crate::engine::lines::Line;
use crate::engine::shared::Shared;
use crate::store::{Acquired, Released, Rotated, StoreError, StoreErrorKind, StoreFuture, Token};
use crate::system::clock;
use crate::system::random;
use lock_core::client::{Given, Giving, Refusal, ReleaseStep, Step, Terms, TicketId};
use lock_core::{LockError, LossReason};

/// An operation that this task sent by its runtime's own line.
struct Sent<T> {
    at: Moment,
    line: Arc<Line>,
    operation: StoreFuture<Result<T, StoreError>>,
}

impl<T> Sent<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, StoreError>> {
        self.operation.as_mut().poll(cx).map(|answer| self.line.heard(answer))
    }
}

/// An acquire on its way to a grant.
pub(crate) struct Acquiring {
    handle: Handle,
    seat: Arc<LeaseState>,
    ticket: Ticket,
}

/// One place for what is needed before it comes and what is needed after, since the future of every call has it.
enum Ticket {
    /// It comes in its first poll.
    NotYet(Terms),
    Come {
        arrived: Moment,
        /// None once it is over.
        id: Option<TicketId>,
        /// With the token that it asks for.
        sent: Option<(Token, Sent<Acquired>)>,
    },
}

/// An answer to what was sent at `sent` for a token.
struct Answer {
    token: Token,
    sent: Moment,
    result: Result<Acquired, StoreError>,
}

impl Acquiring {
    pub(crate) fn new(handle: Handle, seat: Arc<LeaseState>, terms: Terms) -> Self {
        Self { handle, seat, ticket: Ticket::NotYet(terms) }
    }

    pub(crate) fn seat(&self) -> &Arc<LeaseState> {
        &self.seat
    }

    /// Takes the ticket's next steps, until it has to wait or is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Holding, LockError>> {
        self.seat.register(cx.waker());
        let mut is_new = false;
        loop {
            let (answer, carried) = self.answer(cx).unzip();
            if is_new && answer.is_none() {
                // Whatever changes from now on wakes this task.
                return Poll::Pending;
            }
            let line = usable_or_here(carried, &self.handle);
            let (now, step) = match self.step(line.as_deref(), answer) {
                Ok(step) => step,
                Err(error) => return Poll::Ready(Err(error)),
            };
            match (step, line) {
                (Step::Ask(ask), Some(line)) => {
                    let (token, operation) = (ask.token, line.session.acquire(ask));
                    self.send(token, Sent { at: now, line, operation });
                }
                (Step::Look(look), Some(line)) => {
                    let (token, operation) = (look.token, line.session.look(look));
                    self.send(token, Sent { at: now, line, operation });
                }
                (Step::Granted { fence, until }, _) => return Poll::Ready(Ok(self.hold(now, fence, until))),
                (Step::Refused(refusal), _) => {
                    self.take_id();
                    return Poll::Ready(Err(self.refused(now, refusal)));
                }
                (Step::Asking, _) => return Poll::Pending,
                _ => {
                    // Whatever this task sent is the core's business no more.
                    self.forget_sent();
                    return Poll::Pending;
                }
            }
            is_new = true;
        }
    }

    fn send(&mut self, token: Token, operation: Sent<Acquired>) {
        if let Ticket::Come { sent, .. } = &mut self.ticket {
            *sent = Some((token, operation));
        }
    }

    fn forget_sent(&mut self) {
        if let Ticket::Come { sent, .. } = &mut self.ticket {
            *sent = None;
        }
    }

    fn take_id(&mut self) -> Option<TicketId> {
        if let Ticket::Come { id, .. } = &mut self.ticket { id.take() } else { None }
    }

    /// What the store answered, if it has, to what this task sent, and what carried it.
    fn answer(&mut self, cx: &mut Context<'_>) -> Option<(Answer, Arc<Line>)> {
        let Ticket::Come { sent: slot, .. } = &mut self.ticket else { return None };
        let Poll::Ready(result) = slot.as_mut()?.1.poll(cx) else { return None };
        let (token, Sent { at: sent, line, .. }) = slot.take()?;
        Some((Answer { token, sent, result }, line))
    }

    /// Tells the core and asks it; the ticket arrives with the first question.
    fn step(&mut self, line: Option<&Line>, answer: Option<Answer>) -> Result<(Moment, Step), LockError> {
        let via = line.map(Line::via);
        if let Ticket::Come { id: Some(id), .. } = self.ticket {
            return Ok(self.handle.shared().with(|core, now| {
                if let Some(Answer { token, sent, result }) = answer {
                    core.answered(now, id, token, sent, result);
                }
                (now, core.next(now, id, via))
            }));
        }
        let Ticket::NotYet(terms) = self.ticket else { unreachable!("an acquire was polled after it had ended") };
        let key = &self.seat.key;
        if enclosing::holds(&self.seat.place, key) {
            return Err(LockError::already_held(key.clone()));
        }
        let token = new_token(line).map_err(|source| LockError::unavailable(key.clone(), source))?;
        let seat = Arc::clone(&self.seat);
        let (now, arrival) = self.handle.shared().with(|core, now| {
            let arrival = core.arrive(now, seat.key.clone(), token, terms, seat);
            (now, arrival.map(|id| (id, core.next(now, id, via))))
        });
        let (id, step) = match arrival {
            Ok((id, step)) => (Some(id), step),
            Err(refusal) => (None, Step::Refused(refusal)),
        };
        self.ticket = Ticket::Come { arrived: now, id, sent: None };
        Ok((now, step))
    }

    fn hold(&mut self, now: Moment, fence: u64, until: Moment) -> Holding {
        self.seat.validity.granted(fence, until);
        Holding {
            handle: self.handle.clone(),
            seat: Arc::clone(&self.seat),
            id: self.take_id(),
            granted: now,
            arrived: self.arrived(now),
        }
    }

    fn arrived(&self, now: Moment) -> Moment {
        match self.ticket {
            Ticket::Come { arrived, .. } => arrived,
            Ticket::NotYet(_) => now,
        }
    }

    fn refused(&self, now: Moment, refusal: Refusal) -> LockError {
        let key = self.seat.key.clone();
        let observed = &self.handle.shared().observed;
        match refusal {
            Refusal::Busy => {
                observed.busy(&key);
                LockError::busy(key, now.since(self.arrived(now)))
            }
            Refusal::Unavailable(error) => {
                observed.unavailable(&key, &error);
                LockError::unavailable(key, error)
            }
            Refusal::ShuttingDown => LockError::shutting_down(key),
        }
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        // What was sent goes first, so that the release is behind it.
        self.forget_sent();
        if let Some(id) = self.take_id() {
            self.seat.unregister();
            self.handle.shared().with(|core, now| core.left(now, id));
        }
    }
}

/// Whether a step of the body may start.
pub(crate) enum Start {
    Now,
    /// The process is about to end.
    NeverAgain,
    Lost(LossReason),
}

/// A lease, held. Dropped, it is released by the keeper.
pub(crate) struct Holding {
    handle: Handle,
    seat: Arc<LeaseState>,
    id: Option<TicketId>,
    pub(crate) granted: Moment,
    arrived: Moment,
}

impl Holding {
    pub(crate) fn shared(&self) -> &Shared {
        self.handle.shared()
    }

    pub(crate) fn seat(&self) -> &Arc<LeaseState> {
        &self.seat
    }

    pub(crate) fn id(&self) -> Option<TicketId> {
        self.id
    }

    /// For how long it was waited for.
    pub(crate) fn waited(&self) -> Duration {
        self.granted.since(self.arrived)
    }

    /// Asks for a step of the body; if it may start, the seat is in a step from here on.
    pub(crate) fn start_step(&self) -> Start {
        if self.seat.validity.start_step(clock::now()) {
            return Start::Now;
        }
        let Some(id) = self.id else { return Start::NeverAgain };
        match self.handle.shared().with(|core, now| core.lapsed(now, id)) {
            Err(reason) => Start::Lost(reason),
            // The core knows of a renewal that the seat has not heard of.
            Ok(until) => {
                self.seat.validity.extend(until);
                if self.seat.validity.start_step(clock::now()) { Start::Now } else { Start::NeverAgain }
            }
        }
    }

    /// Gives the lease back, awaited until then. Whoever awaits it is registered with the seat already.
    pub(crate) fn release(mut self, awaited: impl FnOnce(Moment) -> Moment) -> Releasing {
        self.seat.validity.end();
        let (handle, seat, id) = (self.handle.clone(), Arc::clone(&self.seat), self.id.take());
        let line = handle.shared().lines.here();
        let via = line.as_deref().map(|line| line.id);
        let step = id.map(|id| {
            handle.shared().with(|core, now| {
                core.end(now, id, Some(awaited(now)));
                (now, core.release_next(now, id, via))
            })
        });
        let given_back = match (step, line) {
            (Some((at, ReleaseStep::Send(giving))), Some(line)) => Some(SentBack::new(at, line, giving)),
            (Some((_, ReleaseStep::Done(outcome))), _) => Some(SentBack::Settled(outcome)),
            _ => None,
        };
        Releasing { handle, seat, id, is_new: true, sent: given_back }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.seat.validity.end();
            self.seat.unregister();
            self.handle.shared().with(|core, now| core.end(now, id, None));
        }
    }
}

/// A release that a task awaits. Dropped, it goes on without the task.
pub(crate) struct Releasing {
    handle: Handle,
    seat: Arc<LeaseState>,
    id: Option<TicketId>,
    /// The core has just been asked.
    is_new: bool,
    sent: Option<SentBack>,
}

/// How this task gave a token back. Several kinds, since a box around any would be an allocation on the short way.
enum SentBack {
    Release(Sent<Released>),
    Rotate(Sent<Rotated>),
    /// Without a word to the store.
    Settled(Result<Released, StoreError>),
}

/// What was answered, and what carried it.
struct GivenBack {
    line: Arc<Line>,
    result: Result<Given, StoreError>,
}

impl SentBack {
    fn new(at: Moment, line: Arc<Line>, giving: Giving) -> Self {
        match giving {
            Giving::Release(release) => {
                let operation = line.session.release(release);
                Self::Release(Sent { at, line, operation })
            }
            Giving::Rotate(rotation) => {
                let operation = line.session.rotate(rotation);
                Self::Rotate(Sent { at, line, operation })
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Given, StoreError>> {
        match self {
            Self::Release(sent) => sent.poll(cx).map_ok(Given::Released),
            Self::Rotate(sent) => sent.poll(cx).map_ok(Given::Rotated),
            Self::Settled(_) => Poll::Pending,
        }
    }

    /// What carries it.
    fn into_line(self) -> Option<Arc<Line>> {
        match self {
            Self::Release(Sent { line, .. }) | Self::Rotate(Sent { line, .. }) => Some(line),
            Self::Settled(_) => None,
        }
    }
}

impl Releasing {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Released, StoreError>> {
        let Some(id) = self.id else { return Poll::Ready(Ok(Released::NotOurs)) };
        self.seat.register(cx.waker());
        let mut is_new = std::mem::take(&mut self.is_new);
        loop {
            if let Some(SentBack::Settled(outcome)) = &self.sent {
                let outcome = outcome.clone();
                return Poll::Ready(self.over(outcome));
            }
            let answer = self.answer(cx);
            if is_new && answer.is_none() {
                // Whatever changes from now on wakes this task.
                return Poll::Pending;
            }
            let (at, line, step) = self.step(id, answer);
            match (step, line) {
                (ReleaseStep::Send(giving), Some(line)) => self.sent = Some(SentBack::new(at, line, giving)),
                (ReleaseStep::Done(outcome), _) => return Poll::Ready(self.over(outcome)),
                (ReleaseStep::Sending, _) => return Poll::Pending,
                _ => {
                    self.sent = None;
                    return Poll::Pending;
                }
            }
            is_new = true;
        }
    }

    /// What the store answered, if it has, to what this task sent.
    fn answer(&mut self, cx: &mut Context<'_>) -> Option<GivenBack> {
        let Poll::Ready(result) = self.sent.as_mut()?.poll(cx) else { return None };
        let line = self.sent.take()?.into_line()?;
        Some(GivenBack { line, result })
    }

    /// Tells the core and asks it.
    fn step(&mut self, id: TicketId, answer: Option<GivenBack>) -> (Moment, Option<Arc<Line>>, ReleaseStep) {
        let (result, carried) = answer.map(|GivenBack { line, result }| (result, line)).unzip();
        let by = carried.as_deref().map(|line| line.id);
        let line = usable_or_here(carried, &self.handle);
        let via = line.as_deref().map(|line| line.id);
        let (at, step) = self.handle.shared().with(|core, now| {
            if let Some(result) = result {
                core.released(now, id, by, result);
            }
            (now, core.release_next(now, id, via))
        });
        (at, line, step)
    }

    fn over(&mut self, outcome: Result<Released, StoreError>) -> Result<Released, StoreError> {
        self.id = None;
        self.sent = None;
        self.seat.unregister();
        self.observe(&outcome);
        outcome
    }

    fn observe(&self, outcome: &Result<Released, StoreError>) {
        let observed = &self.handle.shared().observed;
        match outcome {
            Ok(Released::Freed) => {}
            Ok(Released::NotOurs) => observed.released_too_late(&self.seat.key),
            Err(error) => observed.release_failed(&self.seat.key, error),
        }
    }
}

impl Drop for Releasing {
    fn drop(&mut self) {
        self.sent = None;
        if let Some(id) = self.id {
            self.seat.unregister();
            self.handle.shared().with(|core, now| core.release_left(now, id));
        }
    }
}

/// The line that an answer came over, else that of the runtime that this is called on.
fn usable_or_here(carried: Option<Arc<Line>>, handle: &Handle) -> Option<Arc<Line>> {
    carried.filter(|line| line.is_usable()).or_else(|| handle.shared().lines.here())
}

fn new_token(line: Option<&Line>) -> Result<Token, StoreError> {
    let token = line.map_or_else(|| random::bits().map(Token::from_bits), Line::new_token);
    token.map_err(|error| {
        let text = format!("the operating system has no random bits for a token: {error}");
        StoreError::new(StoreErrorKind::Unready, text)
    })
}
