//! What a client is told of its sessions, and which of them it wants probed or replaced.

use std::time::Duration;

use super::state::ClientState;
use super::trust::Probe;
use crate::key::{Action, SessionId};
use crate::store::Moment;

/// The events that a driver reports, and what it asks in between.
pub trait SessionTable {
    /// A runtime's session was opened.
    fn session_opened(&mut self, now: Moment, session: SessionId);

    /// A runtime's session is gone.
    fn session_gone(&mut self, now: Moment, session: SessionId);

    /// A request over a session had no answer for so long.
    fn timed_out(&mut self, now: Moment, waited: Duration);

    /// The sessions to be probed now.
    fn take_probes(&mut self) -> Vec<Probe>;

    /// The outcome of a probe: whether the session answered in time, if only by an error.
    fn probed(&mut self, now: Moment, session: SessionId, answered: bool);

    /// The session of what the keeper sends unless it names another: its own, or one that stands in for it.
    fn carrier(&self) -> Option<SessionId>;
}

impl<C: Clone> SessionTable for ClientState<C> {
    fn session_opened(&mut self, now: Moment, session: SessionId) {
        self.change_trust(now, |trust| trust.opened(session));
    }

    fn session_gone(&mut self, now: Moment, session: SessionId) {
        self.change_trust(now, |trust| trust.gone(session));
        for key in self.keys.ids() {
            if self.keys.get(key).is_some_and(|entry| entry.state.relies_on(session)) {
                self.on(now, key, |state, cx| state.session_gone(cx, session));
            }
        }
    }

    fn timed_out(&mut self, now: Moment, waited: Duration) {
        let most = self.settings.operation_timeout;
        self.change_trust(now, |trust| trust.suspect_all(waited, most));
    }

    fn take_probes(&mut self) -> Vec<Probe> {
        self.trust.take_probes()
    }

    fn probed(&mut self, now: Moment, session: SessionId, answered: bool) {
        if answered {
            return self.change_trust(now, |trust| trust.answered(session));
        }
        self.actions.push(Action::Replace(session));
        self.session_gone(now, session);
    }

    fn carrier(&self) -> Option<SessionId> {
        self.trust.carrier()
    }
}
