//! From the arrival of a call to its grant.

use std::time::Duration;

use super::call_table::CallTable;
use super::holding::Holding;
use crate::key::{AcquireRequest, CallId, CallNames, Refusal, Step, Via};
use crate::lease::{Terms, Wait};
use crate::store::{Acquired, LockKey, Moment, StoreError, Token};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acquiring {
    arrived: Moment,
    /// Whether its terms allow it to wait.
    waits: bool,
    /// None once it has ended.
    id: Option<CallId>,
}

/// The answer to what was sent at `sent` for a token.
#[derive(Debug)]
pub struct Answer {
    pub token: Token,
    pub sent: Moment,
    pub result: Result<Acquired, StoreError>,
}

/// What the driver does next.
#[derive(Debug)]
pub enum AcquireStep {
    /// Send this over the session that was named, then come back with the answer.
    Send(AcquireRequest),
    /// Keep awaiting what was sent.
    AwaitAnswer,
    /// Drop what was sent, and come back when woken.
    Pending,
    /// The lock is held, with this fence; no step of the body may start from `until` on, unless it is extended.
    Granted { holding: Holding, fence: u64, until: Moment },
    /// It has ended, after waiting for so long: not at all if it was not to wait.
    Refused(Refusal, Duration),
}

impl Acquiring {
    /// A call arrives with a token that nobody else has. `via` is the session of its task's runtime, if there is one.
    pub fn arrive<C>(
        client: &mut impl CallTable<C>,
        now: Moment,
        via: Option<Via>,
        (key, token, caller): (&LockKey, Token, C),
        terms: Terms,
    ) -> (Self, AcquireStep) {
        let waits = terms.wait != Wait::AtMost(Duration::ZERO);
        match client.arrive(now, key, token, terms, caller) {
            Ok(id) => {
                let mut acquiring = Self { arrived: now, waits, id: Some(id) };
                let step = acquiring.go_on(client, now, via, None);
                (acquiring, step)
            }
            Err(refusal) => (Self { arrived: now, waits, id: None }, AcquireStep::Refused(refusal, Duration::ZERO)),
        }
    }

    /// Its number, until it has ended.
    pub fn id(&self) -> Option<CallId> {
        self.id
    }

    /// Its next step, given the answer to what was sent, if there is one.
    pub fn go_on<C>(
        &mut self,
        client: &mut impl CallTable<C>,
        now: Moment,
        via: Option<Via>,
        answer: Option<Answer>,
    ) -> AcquireStep {
        let Some(id) = self.id else { return AcquireStep::Pending };
        if let Some(Answer { token, sent, result }) = answer {
            client.answered(now, id, token, sent, result);
        }
        match client.next(now, id, via) {
            Step::Send(request) => AcquireStep::Send(request),
            Step::AwaitAnswer => AcquireStep::AwaitAnswer,
            Step::Pending => AcquireStep::Pending,
            Step::Granted { fence, until } => {
                self.id = None;
                AcquireStep::Granted { holding: Holding::new(id, self.arrived, now), fence, until }
            }
            Step::Refused(refusal) => {
                self.id = None;
                let waited = if self.waits { now.since(self.arrived) } else { Duration::ZERO };
                AcquireStep::Refused(refusal, waited)
            }
        }
    }

    /// Its task was dropped. What it sent was dropped before this, so the release goes behind that.
    pub fn abandon<C>(&mut self, client: &mut impl CallTable<C>, now: Moment) {
        if let Some(id) = self.id.take() {
            client.cancelled(now, id);
        }
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl CallNames) {
        names.moment(&mut self.arrived);
        self.id.iter_mut().for_each(|id| names.number(&mut id.number));
    }
}
