//! One call's task: it acquires, has a body, awaits its release.

use lock_core::key::{Number, SessionId};
use lock_core::lease::Validity;
use lock_core::store::{StoreError, Token};
use lock_core::walk::{Acquiring, Holding, Releasing};
use lock_core::{LossReason, Moment};

use super::names::{StateNames, Told};
use super::packet::{show_reply, show_request};
use crate::request::{Reply, Request};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    pub(crate) state: State,
    pub(crate) is_woken: bool,
    pub(crate) sent: Option<Sent>,
    /// The manual renewals that it awaits, with when it asked.
    pub(crate) manual: Vec<(Number, Moment)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum State {
    NotArrived,
    Acquiring(Acquiring, Moment),
    Holding(Body),
    Releasing(Releasing),
    Over,
}

/// What a task has sent over its runtime's session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sent {
    pub(crate) number: Number,
    pub(crate) at: Moment,
    pub(crate) session: SessionId,
    pub(crate) request: Request,
    pub(crate) answer: Option<Result<Reply, StoreError>>,
}

/// A body that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Body {
    pub(crate) holding: Holding,
    pub(crate) token: Token,
    /// What the lease's validity says.
    pub(crate) until: Moment,
    pub(crate) loss: Option<LossReason>,
    pub(crate) ends_by: Moment,
}

impl Body {
    /// The validity that task and keeper share, as it is now.
    pub(crate) fn validity(&self) -> Validity {
        let validity = Validity::default();
        validity.granted(0, self.until);
        if let Some(reason) = self.loss {
            validity.lose(reason);
        }
        validity
    }

    /// What became of it.
    pub(crate) fn set_validity(&mut self, validity: &Validity) {
        (self.until, self.loss) = (validity.until(), validity.loss());
    }

    /// Whether a step may start, as the body's own task would see it.
    pub(crate) fn may_step(&self, now: Moment) -> bool {
        self.validity().start_step(now)
    }
}

impl Task {
    pub(crate) fn new() -> Self {
        Self { state: State::NotArrived, is_woken: false, sent: None, manual: Vec::new() }
    }

    /// It is over, or its process was killed.
    pub(crate) fn stop(&mut self) {
        *self = Self { state: State::Over, ..Self::new() };
    }

    /// Whether it has something to do.
    pub(crate) fn is_urgent(&self, now: Moment) -> bool {
        let is_answered = self.sent.as_ref().is_some_and(|sent| sent.answer.is_some());
        let is_finished = matches!(&self.state, State::Holding(body) if body.ends_by <= now);
        self.is_woken || is_answered || is_finished
    }

    pub(crate) fn show_names(&mut self, names: &mut impl StateNames) {
        match &mut self.state {
            State::NotArrived | State::Over => {}
            State::Acquiring(walk, arrived) => {
                walk.show_names(&mut Told(names));
                names.moment(arrived);
            }
            State::Holding(body) => {
                body.holding.show_names(&mut Told(names));
                names.token(&mut body.token);
                names.moment(&mut body.until);
                names.moment(&mut body.ends_by);
            }
            State::Releasing(walk) => walk.show_names(names),
        }
        for (number, asked) in &mut self.manual {
            names.number(number);
            names.moment(asked);
        }
        if let Some(Sent { at, request, answer, .. }) = &mut self.sent {
            names.moment(at);
            show_request(request, names);
            if let Some(Ok(answer)) = answer {
                show_reply(answer, names);
            }
        }
    }

    /// The number of the packet whose answer it awaits.
    pub(crate) fn show_packet(&mut self, names: &mut impl StateNames) {
        self.sent.iter_mut().for_each(|sent| names.number(&mut sent.number));
    }
}
