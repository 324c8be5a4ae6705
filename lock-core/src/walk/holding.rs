//! A lease in the hand of a call, from its grant to the end of its body.

use std::time::Duration;

use super::call_table::CallTable;
use super::releasing::Releasing;
use crate::key::{CallId, ReleaseStep, SessionId};
use crate::lease::Validity;
use crate::store::{LossReason, Moment};

/// How long a body that ended by itself waits for its release; then the keeper has it.
const RELEASE_AWAITED: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Holding {
    /// None once it has ended.
    id: Option<CallId>,
    arrived: Moment,
    granted: Moment,
}

/// Whether a step of the body may start.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    Now,
    /// The process is about to end.
    NeverAgain,
    Lost(LossReason),
}

impl Holding {
    pub(super) fn new(id: CallId, arrived: Moment, granted: Moment) -> Self {
        Self { id: Some(id), arrived, granted }
    }

    /// Its number, until it has ended.
    pub fn id(&self) -> Option<CallId> {
        self.id
    }

    /// When it was granted.
    pub fn granted(&self) -> Moment {
        self.granted
    }

    /// For how long it was waited for.
    pub fn waited(&self) -> Duration {
        self.granted.since(self.arrived)
    }

    /// The validity says that no step may start any more; whether that is so. If it may start, the body is in a step from
    /// here on.
    pub fn start_late_step<C>(&self, client: &mut impl CallTable<C>, now: Moment, validity: &Validity) -> Start {
        let Some(id) = self.id else { return Start::NeverAgain };
        match client.lapsed(now, id) {
            Err(reason) => Start::Lost(reason),
            // The client knows of a renewal that the validity has not heard of.
            Ok(until) => {
                validity.extend(until);
                if validity.start_step(now) { Start::Now } else { Start::NeverAgain }
            }
        }
    }

    /// The body is gone by itself: the lease is given back, and that is awaited for as long as the lease is ours, or a
    /// second. `session` is the one that its task would use.
    pub fn end<C>(
        self,
        client: &mut impl CallTable<C>,
        now: Moment,
        validity: &Validity,
        session: Option<SessionId>,
    ) -> (Releasing, ReleaseStep) {
        let until = if validity.loss().is_some() { now } else { validity.until().min(now + RELEASE_AWAITED) };
        self.release(client, now, validity, until, session)
    }

    /// The lease is given back, and that is awaited until then.
    pub fn release<C>(
        mut self,
        client: &mut impl CallTable<C>,
        now: Moment,
        validity: &Validity,
        awaited_until: Moment,
        session: Option<SessionId>,
    ) -> (Releasing, ReleaseStep) {
        validity.end();
        let id = self.id.take();
        if let Some(id) = id {
            client.end(now, id, Some(awaited_until));
        }
        let mut releasing = Releasing::new(id);
        let step = releasing.go_on(client, now, session, None);
        (releasing, step)
    }

    /// The body is gone, and nobody awaits the release.
    pub fn abandon<C>(&mut self, client: &mut impl CallTable<C>, now: Moment) {
        if let Some(id) = self.id.take() {
            client.end(now, id, None);
        }
    }
}
