//! The sessions to a node, and which of them are trusted with a request.
//!
//! A connection whose peer is gone reports no error. So a request without an answer is a reason to suspect its session
//! and every other one to the same node, which went the same way: each is probed before it carries a request again. One
//! that answers its probe is trusted as before; one that does not is replaced. A time-out alone replaces nothing, so
//! that a server that is slow is not also flooded with new connections.
//! Renewals and releases are sent all the same if no session is trusted: they compare their token, and where only the
//! replies are lost they keep a lease alive and give a key back.
//! Must stay true: a suspected session is probed once, and its probe has an outcome. Absent on purpose: what a probe
//! is, who sends it, and how sessions are opened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::key::SessionId;
use crate::planted::{Mutant, planted};
use crate::store::Moment;

/// How long the answer to a probe is awaited, at most.
const LONGEST_PROBE: Duration = Duration::from_secs(1);

/// A session to be probed, and how long its answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    pub session: SessionId,
    pub limit: Duration,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Trust {
    open: BTreeMap<SessionId, Health>,
    /// The keeper's own session, and whether the store sends grant messages over it.
    own: Option<(SessionId, bool)>,
    /// The session of the keeper's calls: its own if that is trusted, else any that is.
    keeper: Option<SessionId>,
    /// That of its renewals and releases: the same, or one that is suspected if there is no other.
    carrier: Option<SessionId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Health {
    /// It carries no request until its probe was answered.
    suspected: bool,
    probe: Option<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Progress {
    Due(Duration),
    Sent,
}

impl Trust {
    /// The session of the keeper's calls, if there is one.
    pub(super) fn keeper(&self) -> Option<SessionId> {
        self.keeper
    }

    /// The session of the keeper's renewals and releases, if there is one.
    pub(super) fn carrier(&self) -> Option<SessionId> {
        self.carrier
    }

    /// Whether that is the keeper's own, and the store sends grant messages over it.
    pub(super) fn listens(&self) -> bool {
        self.own.is_some_and(|(own, listens)| listens && self.keeper == Some(own))
    }

    /// The keeper has a session of its own.
    pub(super) fn connected(&mut self, session: SessionId, listens: bool) {
        self.own = Some((session, listens));
        self.opened(session);
    }

    /// The keeper has no session of its own any more.
    pub(super) fn disconnected(&mut self) {
        if let Some((own, _)) = self.own {
            self.gone(own);
        }
    }

    /// A session was opened.
    pub(super) fn opened(&mut self, session: SessionId) {
        self.open.insert(session, Health::default());
        self.choose();
    }

    /// A session is gone.
    pub(super) fn gone(&mut self, session: SessionId) {
        self.open.remove(&session);
        self.own.take_if(|(own, _)| *own == session);
        self.choose();
    }

    fn choose(&mut self) {
        let own = self.own.map(|(own, _)| own).filter(|own| self.allows(*own));
        let any = || self.open.iter().find(|(_, health)| !health.suspected).map(|(session, _)| *session);
        self.keeper = own.or_else(any);
        let suspected = || self.own.map(|(own, _)| own).or_else(|| self.open.keys().next().copied());
        self.carrier = self.keeper.or_else(suspected);
    }

    /// Whether it may carry a request. One that was never opened is the only session of a store without connections.
    pub(super) fn allows(&self, session: SessionId) -> bool {
        self.open.get(&session).is_none_or(|health| !health.suspected)
    }

    /// A request had no answer for so long: no session is trusted until it has answered a probe, for which it has as
    /// long again, within bounds.
    pub(super) fn suspect_all(&mut self, waited: Duration, operation_timeout: Duration) {
        if planted(Mutant::SilenceTrusted) {
            return;
        }
        let limit = waited.min(operation_timeout / 2).min(LONGEST_PROBE);
        for health in self.open.values_mut() {
            health.suspected = true;
            health.probe.get_or_insert(Progress::Due(limit));
        }
        self.choose();
    }

    /// Something was not heard over this session. It is probed, and trusted meanwhile: what was not heard may never
    /// have been said.
    pub(super) fn probe(&mut self, session: SessionId, operation_timeout: Duration) {
        if let Some(health) = self.open.get_mut(&session) {
            health.probe.get_or_insert(Progress::Due(LONGEST_PROBE.min(operation_timeout / 2)));
        }
    }

    /// A session answered its probe.
    pub(super) fn answered(&mut self, session: SessionId) {
        if let Some(health) = self.open.get_mut(&session) {
            *health = Health::default();
        }
        self.choose();
    }

    /// When there is something to do: at once, if a session has yet to be probed.
    pub(super) fn due(&self) -> Moment {
        let is_due = self.open.values().any(|health| matches!(health.probe, Some(Progress::Due(_))));
        if is_due { Moment::MIN } else { Moment::MAX }
    }

    /// The sessions that have yet to be probed; from now on they count as probed.
    pub(super) fn take_probes(&mut self) -> Vec<Probe> {
        let due = |(&session, health): (&SessionId, &mut Health)| match health.probe {
            Some(Progress::Due(limit)) => {
                health.probe = Some(Progress::Sent);
                Some(Probe { session, limit })
            }
            _ => None,
        };
        self.open.iter_mut().filter_map(due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SessionId = SessionId(1);
    const OTHER: SessionId = SessionId(2);
    const OPERATION: Duration = Duration::from_secs(5);

    fn two() -> Trust {
        let mut trust = Trust::default();
        trust.connected(ONE, true);
        trust.opened(OTHER);
        trust
    }

    #[test]
    fn silence_on_one_session_costs_all_of_them_their_trust_until_each_has_answered() {
        let mut trust = two();
        trust.suspect_all(OPERATION, OPERATION);
        assert!(!trust.allows(ONE) && !trust.allows(OTHER) && trust.keeper().is_none());
        let limit = Duration::from_secs(1);
        assert_eq!(trust.take_probes(), [Probe { session: ONE, limit }, Probe { session: OTHER, limit }]);
        trust.answered(OTHER);
        assert_eq!((trust.allows(ONE), trust.keeper(), trust.listens()), (false, Some(OTHER), false));
        trust.answered(ONE);
        assert_eq!((trust.keeper(), trust.listens()), (Some(ONE), true), "it is the keeper's own");
    }

    #[test]
    fn a_session_is_probed_once_however_often_it_is_suspected() {
        let mut trust = two();
        trust.suspect_all(OPERATION, OPERATION);
        trust.suspect_all(OPERATION, OPERATION);
        assert_eq!(trust.take_probes().len(), 2);
        trust.suspect_all(OPERATION, OPERATION);
        assert!(trust.due() == Moment::MAX && trust.take_probes().is_empty());
        trust.answered(ONE);
        trust.suspect_all(OPERATION, OPERATION);
        assert_eq!(trust.take_probes().len(), 1, "it can fall silent again");
    }

    #[test]
    fn a_probe_has_as_long_as_the_request_had_and_no_longer_than_half_an_operation() {
        for (waited, operation, limit) in [(5000, 5000, 1000), (1000, 1000, 500), (250, 5000, 250), (50, 50, 25)] {
            let mut trust = two();
            trust.suspect_all(Duration::from_millis(waited), Duration::from_millis(operation));
            assert!(trust.take_probes().iter().all(|probe| probe.limit == Duration::from_millis(limit)));
        }
    }

    #[test]
    fn a_session_over_which_something_was_not_heard_is_probed_and_trusted_meanwhile() {
        let mut trust = two();
        trust.probe(ONE, OPERATION);
        assert!(trust.allows(ONE) && trust.due() == Moment::MIN);
        assert_eq!(trust.take_probes().len(), 1);
        trust.answered(ONE);
        assert!(trust.due() == Moment::MAX);
    }

    #[test]
    fn the_only_session_of_a_store_without_connections_is_trusted() {
        let mut trust = two();
        trust.suspect_all(OPERATION, OPERATION);
        assert!(trust.allows(SessionId(0)));
    }
}
