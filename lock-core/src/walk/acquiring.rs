//! From the arrival of a call to its grant.

use std::time::Duration;

use super::holding::Holding;
use crate::client::{CallId, ClientState};
use crate::key::{Question, Refusal, Step, Via};
use crate::lease::Terms;
use crate::store::{Acquired, LockKey, Moment, StoreError, Token};

/// See the module.
#[derive(Debug)]
pub struct Acquiring(Way);

#[derive(Debug)]
enum Way {
    NotArrived(Terms),
    Arrived { at: Moment, id: CallId },
    Over,
}

/// What was answered to what was sent at `sent` for a token.
#[derive(Debug)]
pub struct Answer {
    pub token: Token,
    pub sent: Moment,
    pub result: Result<Acquired, StoreError>,
}

/// What the driver does next.
#[derive(Debug)]
pub enum AcquireStep {
    /// Send this over the session that was named, then come with the answer.
    Send(Question),
    /// Go on with what was sent and is not answered yet.
    Sent,
    /// Forget what was sent, and come again when woken.
    Stand,
    /// The lock is held, with this fence; no step of the body may start from `until` on, unless it is extended.
    Granted { holding: Holding, fence: u64, until: Moment },
    /// It is over, after so long.
    Refused(Refusal, Duration),
}

impl Acquiring {
    pub fn new(terms: Terms) -> Self {
        Self(Way::NotArrived(terms))
    }

    /// With what it asks for, as long as it has not arrived.
    pub fn not_arrived(&self) -> Option<Terms> {
        match self.0 {
            Way::NotArrived(terms) => Some(terms),
            _ => None,
        }
    }

    /// Its number, from its arrival until it is over.
    pub fn id(&self) -> Option<CallId> {
        match self.0 {
            Way::Arrived { id, .. } => Some(id),
            _ => None,
        }
    }

    /// It arrives with a token that nobody else has. `via` is the session that its task would use.
    pub fn arrive<C: Clone>(
        &mut self,
        client: &mut ClientState<C>,
        now: Moment,
        via: Option<Via>,
        (key, token, caller): (&LockKey, Token, C),
    ) -> AcquireStep {
        let Way::NotArrived(terms) = self.0 else { return AcquireStep::Stand };
        match client.arrive(now, key, token, terms, caller) {
            Ok(id) => {
                self.0 = Way::Arrived { at: now, id };
                self.next(client, now, via)
            }
            Err(refusal) => {
                self.0 = Way::Over;
                AcquireStep::Refused(refusal, Duration::ZERO)
            }
        }
    }

    /// It goes on, with the answer to what was sent, if there is one.
    pub fn go_on<C: Clone>(
        &mut self,
        client: &mut ClientState<C>,
        now: Moment,
        via: Option<Via>,
        answer: Option<Answer>,
    ) -> AcquireStep {
        if let (Some(Answer { token, sent, result }), Some(id)) = (answer, self.id()) {
            client.answered(now, id, token, sent, result);
        }
        self.next(client, now, via)
    }

    fn next<C: Clone>(&mut self, client: &mut ClientState<C>, now: Moment, via: Option<Via>) -> AcquireStep {
        let Way::Arrived { at, id } = self.0 else { return AcquireStep::Stand };
        match client.next(now, id, via) {
            Step::Send(question) => AcquireStep::Send(question),
            Step::Sent => AcquireStep::Sent,
            Step::Stand => AcquireStep::Stand,
            Step::Granted { fence, until } => {
                self.0 = Way::Over;
                AcquireStep::Granted { holding: Holding::new(id, at, now), fence, until }
            }
            Step::Refused(refusal) => {
                self.0 = Way::Over;
                AcquireStep::Refused(refusal, now.since(at))
            }
        }
    }

    /// Its task is gone. What it sent was dropped before, so that the release is behind that.
    pub fn abandon<C: Clone>(&mut self, client: &mut ClientState<C>, now: Moment) {
        if let Way::Arrived { id, .. } = std::mem::replace(&mut self.0, Way::Over) {
            client.left(now, id);
        }
    }
}
