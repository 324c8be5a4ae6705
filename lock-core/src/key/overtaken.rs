//! A request of a task that has no answer, where the keeper has asked in its place.
//!
//! The task may not have been polled since, or its runtime, and the answer lies there; or its session is silent. Must
//! stay true: only a task that was polled, and found no answer where the keeper had one, tells that a session is
//! silent.

use super::ids::SessionId;
use super::names::CallNames;
use crate::store::Moment;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Overtaken {
    /// When the task sent it.
    pub(super) sent: Moment,
    pub(super) session: SessionId,
    /// Its task was polled since, and had no answer.
    pub(super) is_polled: bool,
    /// The keeper's request was answered, by the store or by an error.
    pub(super) is_answered: bool,
}

impl Overtaken {
    pub(super) fn new(sent: Moment, session: SessionId) -> Self {
        Self { sent, session, is_polled: false, is_answered: false }
    }

    /// Something was learnt; returns the session once it is known to be silent, and forgets the request.
    pub(super) fn silent_session(slot: &mut Option<Self>, learn: impl FnOnce(&mut Self)) -> Option<SessionId> {
        learn(slot.as_mut()?);
        slot.take_if(|request| request.is_polled && request.is_answered).map(|request| request.session)
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        names.moment(&mut self.sent);
    }
}
