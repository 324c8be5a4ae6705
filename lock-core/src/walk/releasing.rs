//! A release that a task awaits.

use super::call_table::CallTable;
use crate::key::{CallId, CallNames, ReleaseReply, ReleaseStep, SessionId};
use crate::store::{Moment, Released, StoreError};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Releasing {
    /// None once it has ended.
    id: Option<CallId>,
}

/// The answer to what the task sent, and the session that carried it.
#[derive(Debug)]
pub struct ReleaseAnswer {
    pub via: SessionId,
    pub result: Result<ReleaseReply, StoreError>,
}

impl Releasing {
    pub(super) fn new(id: Option<CallId>) -> Self {
        Self { id }
    }

    /// Its next step, given the answer to what was sent, if there is one. `session` is that of its task's runtime, if
    /// there is one.
    pub fn go_on<C>(
        &mut self,
        client: &mut impl CallTable<C>,
        now: Moment,
        session: Option<SessionId>,
        answer: Option<ReleaseAnswer>,
    ) -> ReleaseStep {
        let Some(id) = self.id else { return ReleaseStep::Done(Ok(Released::NotOurs)) };
        if let Some(ReleaseAnswer { via, result }) = answer {
            client.released(now, id, Some(via), result);
        }
        let step = client.release_next(now, id, session);
        if let ReleaseStep::Done(_) = step {
            self.id = None;
        }
        step
    }

    /// Its task was dropped; the release goes on without it. What the task sent was dropped before this.
    pub fn abandon<C>(&mut self, client: &mut impl CallTable<C>, now: Moment) {
        if let Some(id) = self.id.take() {
            client.release_cancelled(now, id);
        }
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl CallNames) {
        self.id.iter_mut().for_each(|id| names.number(&mut id.number));
    }
}
