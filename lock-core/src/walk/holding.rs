//! A lease that a call holds, from its grant to the end of its body.

use std::time::Duration;

use super::call_table::CallTable;
use super::releasing::Releasing;
use crate::key::{CallId, CallNames, Completion, ReleaseStep, SessionId};
use crate::lease::Validity;
use crate::store::{LossReason, Moment};

/// How long a body that ended by itself awaits its release, unless it asks for something else; then the keeper takes
/// over.
pub const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

    /// How long it was waited for.
    pub fn waited(&self) -> Duration {
        self.granted.since(self.arrived)
    }

    /// Asks the client when the validity says that no step may start: its deadline may have moved. On [`Start::Now`]
    /// the validity shows the later one, and is asked again with the clock read anew, since asking took time.
    pub fn ask_again<C>(&self, client: &mut impl CallTable<C>, now: Moment, validity: &Validity) -> Start {
        let Some(id) = self.id else { return Start::NeverAgain };
        match client.lapsed(now, id) {
            Err(reason) => Start::Lost(reason),
            // The client has a renewal that the validity does not show yet.
            Ok(until) => {
                validity.extend(until);
                if now < validity.until() { Start::Now } else { Start::NeverAgain }
            }
        }
    }

    /// The body has succeeded; the lease ends next.
    pub fn complete<C>(&self, client: &mut impl CallTable<C>, now: Moment) -> Completion {
        self.id.map_or(Completion::Lost(LossReason::Expired), |id| client.complete(now, id))
    }

    /// The body has ended: the lease is released, which is awaited for so long or until the deadline. `session` is that
    /// of its task's runtime, if there is one.
    pub fn end<C>(
        self,
        client: &mut impl CallTable<C>,
        now: Moment,
        validity: &Validity,
        patience: Duration,
        session: Option<SessionId>,
    ) -> (Releasing, ReleaseStep) {
        let until = if validity.loss().is_some() { now } else { validity.until().min(now + patience) };
        self.release(client, now, validity, until, session)
    }

    /// The lease is released, which is awaited until `awaited_until`.
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

    /// The body was dropped, and nobody awaits the release.
    pub fn abandon<C>(&mut self, client: &mut impl CallTable<C>, now: Moment) {
        if let Some(id) = self.id.take() {
            client.end(now, id, None);
        }
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl CallNames) {
        self.id.iter_mut().for_each(|id| names.number(&mut id.number));
        names.moment(&mut self.arrived);
        names.moment(&mut self.granted);
    }
}
