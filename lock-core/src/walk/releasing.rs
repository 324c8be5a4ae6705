//! A release that a task awaits.

use super::call_table::CallTable;
use crate::key::{CallId, ReleaseReply, ReleaseStep, SessionId};
use crate::store::{Moment, Released, StoreError};

/// See the module.
#[derive(Debug)]
pub struct Releasing {
    /// None once it is over.
    id: Option<CallId>,
}

/// What was answered to what the task sent, and over which session.
#[derive(Debug)]
pub struct ReleaseAnswer {
    pub via: SessionId,
    pub result: Result<ReleaseReply, StoreError>,
}

impl Releasing {
    pub(super) fn new(id: Option<CallId>) -> Self {
        Self { id }
    }

    /// It goes on, with the answer to what was sent, if there is one. `session` is the one that its task would use.
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

    /// Its task is gone; the release goes on without it. What the task sent was dropped before.
    pub fn abandon<C>(&mut self, client: &mut impl CallTable<C>, now: Moment) {
        if let Some(id) = self.id.take() {
            client.release_left(now, id);
        }
    }
}
