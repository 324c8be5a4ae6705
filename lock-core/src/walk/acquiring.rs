//! From the arrival of a call to its grant.

use std::time::Duration;

use super::call_table::CallTable;
use super::holding::Holding;
use crate::key::{CallId, Question, Refusal, Step, Via};
use crate::lease::Terms;
use crate::store::{Acquired, LockKey, Moment, StoreError, Token};

/// See the module.
#[derive(Debug)]
pub struct Acquiring {
    arrived: Moment,
    /// None once it is over.
    id: Option<CallId>,
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
    /// A call arrives with a token that nobody else has. `via` is the session that its task would use.
    pub fn arrive<C>(
        client: &mut impl CallTable<C>,
        now: Moment,
        via: Option<Via>,
        (key, token, caller): (&LockKey, Token, C),
        terms: Terms,
    ) -> (Self, AcquireStep) {
        match client.arrive(now, key, token, terms, caller) {
            Ok(id) => {
                let mut acquiring = Self { arrived: now, id: Some(id) };
                let step = acquiring.go_on(client, now, via, None);
                (acquiring, step)
            }
            Err(refusal) => (Self { arrived: now, id: None }, AcquireStep::Refused(refusal, Duration::ZERO)),
        }
    }

    /// Its number, until it is over.
    pub fn id(&self) -> Option<CallId> {
        self.id
    }

    /// It goes on, with the answer to what was sent, if there is one.
    pub fn go_on<C>(
        &mut self,
        client: &mut impl CallTable<C>,
        now: Moment,
        via: Option<Via>,
        answer: Option<Answer>,
    ) -> AcquireStep {
        let Some(id) = self.id else { return AcquireStep::Stand };
        if let Some(Answer { token, sent, result }) = answer {
            client.answered(now, id, token, sent, result);
        }
        match client.next(now, id, via) {
            Step::Send(question) => AcquireStep::Send(question),
            Step::Sent => AcquireStep::Sent,
            Step::Stand => AcquireStep::Stand,
            Step::Granted { fence, until } => {
                self.id = None;
                AcquireStep::Granted { holding: Holding::new(id, self.arrived, now), fence, until }
            }
            Step::Refused(refusal) => {
                self.id = None;
                AcquireStep::Refused(refusal, now.since(self.arrived))
            }
        }
    }

    /// Its task is gone. What it sent was dropped before, so that the release is behind that.
    pub fn abandon<C>(&mut self, client: &mut impl CallTable<C>, now: Moment) {
        if let Some(id) = self.id.take() {
            client.left(now, id);
        }
    }
}
