//! One ticket's way through the core, as its task walks it: [`Acquiring`], [`Holding`], [`Releasing`].
//!
//! Each of the three owns the ticket; dropped half-way it tells the core, which cleans up after it. None of them
//! blocks, panics or needs a runtime when it is dropped.

use std::task::{Context, Poll};
use std::time::Duration;

use std::sync::Arc;

use crate::client::Client;
use crate::clock::{self, Moment};
use crate::core::{Given, Giving, LineId, Refusal, ReleaseStep, Step, Terms, TicketId};
use crate::enclosing;
use crate::error::{LockError, LossReason};
use crate::lines::Line;
use crate::random;
use crate::seat::Seat;
use crate::store::{Acquired, Released, StoreError, StoreErrorKind, StoreFuture, Token, Turned};

/// An operation that this task sent by its runtime's own line.
struct Sent<T> {
    at: Moment,
    line: Arc<Line>,
    operation: StoreFuture<Result<T, StoreError>>,
}

impl<T> Sent<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, StoreError>> {
        let answer = self.operation.as_mut().poll(cx);
        if answer.is_ready() {
            self.line.answered();
        }
        answer
    }
}

/// An acquire on its way to a grant.
pub(crate) struct Acquiring {
    client: Client,
    seat: Arc<Seat>,
    terms: Terms,
    /// None before the first poll.
    id: Option<TicketId>,
    arrived: Moment,
    /// With the token that it asks for.
    sent: Option<(Token, Sent<Acquired>)>,
    /// What carried the last answer.
    line: Option<Arc<Line>>,
}

/// An answer to what was sent at `sent` for a token.
struct Answer {
    token: Token,
    sent: Moment,
    result: Result<Acquired, StoreError>,
}

impl Acquiring {
    pub(crate) fn new(client: Client, seat: Arc<Seat>, terms: Terms) -> Self {
        Self { client, seat, terms, id: None, arrived: Moment::MIN, sent: None, line: None }
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Takes the ticket's next steps, until it has to wait or is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Holding, LockError>> {
        self.seat.register(cx.waker());
        let mut is_new = false;
        loop {
            let answer = self.answer(cx);
            if is_new && answer.is_none() {
                // Whatever changes from now on wakes this task.
                return Poll::Pending;
            }
            let line = self.line();
            let (now, step) = match self.step(line.as_deref(), answer) {
                Ok(step) => step,
                Err(error) => return Poll::Ready(Err(error)),
            };
            match (step, line) {
                (Step::Ask(ask), Some(line)) => {
                    let (token, operation) = (ask.token, line.session.acquire(ask));
                    self.sent = Some((token, Sent { at: now, line, operation }));
                }
                (Step::Look(look), Some(line)) => {
                    let (token, operation) = (look.token, line.session.look(look));
                    self.sent = Some((token, Sent { at: now, line, operation }));
                }
                (Step::Granted { fence, until }, _) => return Poll::Ready(Ok(self.hold(now, fence, until))),
                (Step::Refused(refusal), _) => {
                    self.id = None;
                    return Poll::Ready(Err(self.refused(now, refusal)));
                }
                (Step::Asking, _) => return Poll::Pending,
                _ => {
                    // Whatever this task sent is the core's business no more.
                    self.sent = None;
                    return Poll::Pending;
                }
            }
            is_new = true;
        }
    }

    /// What the store answered, if it has, to what this task sent.
    fn answer(&mut self, cx: &mut Context<'_>) -> Option<Answer> {
        let (token, sent) = self.sent.as_mut()?;
        let Poll::Ready(result) = sent.poll(cx) else { return None };
        let (token, sent) = (*token, sent.at);
        self.line = self.sent.take().map(|(_, sent)| sent.line);
        Some(Answer { token, sent, result })
    }

    /// The line that the last answer came over, else that of the runtime that this is called on.
    fn line(&mut self) -> Option<Arc<Line>> {
        self.line.take().filter(|line| line.is_usable()).or_else(|| self.client.shared().lines.here())
    }

    /// Tells the core and asks it; the ticket arrives with the first question.
    fn step(&mut self, line: Option<&Line>, answer: Option<Answer>) -> Result<(Moment, Step), LockError> {
        let via = line.map(Line::via);
        if let Some(id) = self.id {
            return Ok(self.client.shared().with(|core, now| {
                if let Some(Answer { token, sent, result }) = answer {
                    core.answered(now, id, token, sent, result);
                }
                (now, core.next(now, id, via))
            }));
        }
        let key = &self.seat.key;
        if enclosing::holds(&self.seat.place, key) {
            return Err(LockError::AlreadyHeld { key: key.clone() });
        }
        let token = new_token().map_err(|source| LockError::Unavailable { key: key.clone(), source: source.into() })?;
        let (seat, terms) = (Arc::clone(&self.seat), self.terms);
        let (now, arrival) = self.client.shared().with(|core, now| {
            let arrival = core.arrive(now, seat.key.clone(), token, terms, seat);
            (now, arrival.map(|id| (id, core.next(now, id, via))))
        });
        self.arrived = now;
        match arrival {
            Ok((id, step)) => {
                self.id = Some(id);
                Ok((now, step))
            }
            Err(refusal) => Ok((now, Step::Refused(refusal))),
        }
    }

    fn hold(&mut self, now: Moment, fence: u64, until: Moment) -> Holding {
        self.seat.granted(fence, until);
        Holding {
            client: self.client.clone(),
            seat: Arc::clone(&self.seat),
            id: self.id.take(),
            granted: now,
            arrived: self.arrived,
        }
    }

    fn refused(&self, now: Moment, refusal: Refusal) -> LockError {
        let key = self.seat.key.clone();
        let observed = &self.client.shared().observed;
        match refusal {
            Refusal::Busy => {
                observed.busy(&key);
                LockError::Busy { key, waited: now.since(self.arrived) }
            }
            Refusal::Unavailable(error) => {
                observed.unavailable(&key, &error);
                LockError::Unavailable { key, source: error.into() }
            }
            Refusal::ShuttingDown => LockError::ShuttingDown { key },
        }
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        // What was sent goes first, so that the release is behind it.
        self.sent = None;
        if let Some(id) = self.id {
            self.client.shared().with(|core, now| core.left(now, id));
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
    client: Client,
    seat: Arc<Seat>,
    id: Option<TicketId>,
    pub(crate) granted: Moment,
    arrived: Moment,
}

impl Holding {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
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
        if self.seat.start_step(clock::now()) {
            return Start::Now;
        }
        let Some(id) = self.id else { return Start::NeverAgain };
        match self.client.shared().with(|core, now| core.lapsed(now, id)) {
            Err(reason) => Start::Lost(reason),
            // The core knows of a renewal that the seat has not heard of.
            Ok(until) => {
                self.seat.extend(until);
                if self.seat.start_step(clock::now()) { Start::Now } else { Start::NeverAgain }
            }
        }
    }

    /// Gives the lease back, awaited until then.
    pub(crate) fn release(mut self, awaited: impl FnOnce(Moment) -> Moment) -> Releasing {
        self.seat.end();
        let (client, seat, id) = (self.client.clone(), Arc::clone(&self.seat), self.id.take());
        let line = client.shared().lines.here();
        let via = line.as_deref().map(|line| line.id);
        let step = id.map(|id| {
            client.shared().with(|core, now| {
                core.end(now, id, Some(awaited(now)));
                (now, core.release_next(now, id, via))
            })
        });
        // To stand by is decided anew in the first poll: before it nobody can be woken.
        let next = step.filter(|(_, step)| matches!(step, ReleaseStep::Send(_) | ReleaseStep::Done(_)));
        Releasing { client, seat, id, next, line, sent: None }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.seat.end();
            self.client.shared().with(|core, now| core.end(now, id, None));
        }
    }
}

/// A release that a task awaits. Dropped, it goes on without the task.
pub(crate) struct Releasing {
    client: Client,
    seat: Arc<Seat>,
    id: Option<TicketId>,
    /// What the core said when it was told, before the first poll.
    next: Option<(Moment, ReleaseStep)>,
    line: Option<Arc<Line>>,
    sent: Option<SentBack>,
}

/// How this task gave a token back. Two kinds, since a box around either would be an allocation on the short way.
enum SentBack {
    Release(Sent<Released>),
    Turn(Sent<Turned>),
}

impl SentBack {
    fn new(at: Moment, line: Arc<Line>, giving: Giving) -> Self {
        match giving {
            Giving::Release(release) => {
                let operation = line.session.release(release);
                Self::Release(Sent { at, line, operation })
            }
            Giving::Turn(turn) => {
                let operation = line.session.turn(turn);
                Self::Turn(Sent { at, line, operation })
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Given, StoreError>> {
        match self {
            Self::Release(sent) => sent.poll(cx).map_ok(Given::Released),
            Self::Turn(sent) => sent.poll(cx).map_ok(Given::Turned),
        }
    }

    fn line(&self) -> LineId {
        match self {
            Self::Release(sent) => sent.line.id,
            Self::Turn(sent) => sent.line.id,
        }
    }
}

impl Releasing {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Released, StoreError>> {
        let Some(id) = self.id else { return Poll::Ready(Ok(Released::NotOurs)) };
        self.seat.register(cx.waker());
        let mut is_new = false;
        loop {
            let answer = self.answer(cx);
            if is_new && answer.is_none() {
                // Whatever changes from now on wakes this task.
                return Poll::Pending;
            }
            let (at, step) = self.next.take().unwrap_or_else(|| self.step(id, answer));
            match (step, self.line.clone()) {
                (ReleaseStep::Send(giving), Some(line)) => self.sent = Some(SentBack::new(at, line, giving)),
                (ReleaseStep::Done(outcome), _) => {
                    self.id = None;
                    self.sent = None;
                    self.observe(&outcome);
                    return Poll::Ready(outcome);
                }
                (ReleaseStep::Sending, _) => return Poll::Pending,
                _ => {
                    self.sent = None;
                    return Poll::Pending;
                }
            }
            is_new = true;
        }
    }

    /// What the store answered, if it has, and over which line.
    fn answer(&mut self, cx: &mut Context<'_>) -> Option<(LineId, Result<Given, StoreError>)> {
        let sent = self.sent.as_mut()?;
        let Poll::Ready(answer) = sent.poll(cx) else { return None };
        let via = sent.line();
        self.sent = None;
        Some((via, answer))
    }

    /// Tells the core and asks it.
    fn step(&mut self, id: TicketId, answer: Option<(LineId, Result<Given, StoreError>)>) -> (Moment, ReleaseStep) {
        let shared = self.client.shared();
        self.line = self.line.take().filter(|line| line.is_usable()).or_else(|| shared.lines.here());
        let via = self.line.as_deref().map(|line| line.id);
        shared.with(|core, now| {
            if let Some((via, answer)) = answer {
                core.released(now, id, Some(via), answer);
            }
            (now, core.release_next(now, id, via))
        })
    }

    fn observe(&self, outcome: &Result<Released, StoreError>) {
        let observed = &self.client.shared().observed;
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
            self.client.shared().with(|core, now| core.release_left(now, id));
        }
    }
}

fn new_token() -> Result<Token, StoreError> {
    random::bits().map(Token::from_bits).map_err(|error| {
        let text = format!("the operating system has no random bits for a token: {error}");
        StoreError::new(StoreErrorKind::Unready, text)
    })
}
