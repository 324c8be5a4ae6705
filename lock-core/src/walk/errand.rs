//! What the keeper sends in one round: which operations go together, over which session, how long their answers are
//! awaited, and what those mean.

use std::time::Duration;

use super::call_table::CallTable;
use crate::key::{AcquireRequest, CallId, CallNames, Job, KeyId, ReleaseReply, ReleaseRequest, SessionId};
use crate::store::{Acquired, Downgrade, Kind, LockKey, Moment, Renewal, Renewed, StoreError, StoreErrorKind};

/// How many renewals one call of the store carries.
const RENEWALS_PER_BATCH: usize = 64;
/// How long a batch of renewals may stay without an answer, at least and at most, before its session is suspected.
const RENEWAL_TIMEOUT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// How long a look or a release over a runtime's session may stay without an answer, at most, before it goes over the
/// keeper's own: if nobody polls that runtime any more, nothing is written.
const RUNTIME_SESSION_TIMEOUT: Duration = Duration::from_secs(1);

/// One operation of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Errand {
    Ask(AskErrand),
    Renew(RenewErrand),
    Downgrade(DowngradeErrand),
    Release(ReleaseErrand),
}

/// Over which session an operation goes, and how long its answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    pub session: SessionId,
    pub limit: Duration,
}

/// An acquire request for a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskErrand {
    id: CallId,
    pub request: AcquireRequest,
    sent: Moment,
    /// Over this session only, which tells the call of its grant.
    pub route: Route,
}

/// Renewals that go together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RenewErrand {
    keys: Vec<KeyId>,
    pub batch: Vec<Renewal>,
    sent: Moment,
    pub route: Route,
}

/// A renewal that makes a lease a shared one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DowngradeErrand {
    key: KeyId,
    pub downgrade: Downgrade,
    sent: Moment,
    pub route: Route,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseErrand {
    id: CallId,
    pub request: ReleaseRequest,
    /// The session that carried what it undoes, to be used while it is open; else the keeper's.
    preferred: Option<Route>,
    fallback: Route,
}

/// The operations for these jobs, for a keeper with this session.
pub fn errands(jobs: Vec<(KeyId, Job)>, keepers: SessionId, sent: Moment, operation_timeout: Duration) -> Vec<Errand> {
    let route = |session| Route { session, limit: operation_timeout };
    let (mut errands, mut renewals, mut in_sets) = (Vec::new(), Vec::new(), Vec::new());
    for (key, job) in jobs {
        match job {
            Job::Ask(number, request, session) => {
                let id = CallId { key, number };
                // A runtime that nobody polls answers nothing; the next look is the keeper's own.
                let limit = RUNTIME_SESSION_TIMEOUT.min(operation_timeout / 4);
                let route = if session == keepers { route(session) } else { Route { session, limit } };
                errands.push(Errand::Ask(AskErrand { id, request, sent, route }));
            }
            Job::Release(number, request, via) => {
                let preferred =
                    via.map(|via| Route { session: via, limit: RUNTIME_SESSION_TIMEOUT.min(operation_timeout / 4) });
                let id = CallId { key, number };
                errands.push(Errand::Release(ReleaseErrand { id, request, preferred, fallback: route(keepers) }));
            }
            Job::Renew(renewal) if renewal.kind == Kind::Exclusive => renewals.push((key, renewal)),
            Job::Renew(renewal) => in_sets.push((key, renewal)),
            Job::Downgrade(downgrade) => {
                let route = Route { limit: renewal_limit(downgrade.ttl, operation_timeout), ..route(keepers) };
                errands.push(Errand::Downgrade(DowngradeErrand { key, downgrade, sent, route }));
            }
        }
    }
    // Those of one kind of lease go together: a store may keep sets elsewhere.
    for renewals in [renewals, in_sets] {
        let mut renewals = renewals.into_iter().peekable();
        while renewals.peek().is_some() {
            let (keys, batch): (_, Vec<Renewal>) = renewals.by_ref().take(RENEWALS_PER_BATCH).unzip();
            let shortest = batch.iter().map(|renewal| renewal.ttl).min().unwrap_or_default();
            let route = Route { limit: renewal_limit(shortest, operation_timeout), ..route(keepers) };
            errands.push(Errand::Renew(RenewErrand { keys, batch, sent, route }));
        }
    }
    errands
}

/// How long a renewal for this ttl may stay without an answer.
fn renewal_limit(ttl: Duration, operation_timeout: Duration) -> Duration {
    (ttl / 6).clamp(RENEWAL_TIMEOUT.0, RENEWAL_TIMEOUT.1).min(operation_timeout)
}

impl Errand {
    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl CallNames) {
        match self {
            Self::Ask(AskErrand { id, request, sent, .. }) => {
                names.number(&mut id.number);
                request.show_names(names);
                names.moment(sent);
            }
            Self::Renew(RenewErrand { batch, sent, .. }) => {
                for renewal in batch {
                    names.token(&mut renewal.token);
                }
                names.moment(sent);
            }
            Self::Downgrade(DowngradeErrand { downgrade, sent, .. }) => {
                names.token(&mut downgrade.token);
                names.moment(sent);
            }
            Self::Release(ReleaseErrand { id, request, .. }) => {
                names.number(&mut id.number);
                request.show_names(names);
            }
        }
    }
}

impl AskErrand {
    pub fn answered<C>(&self, client: &mut impl CallTable<C>, now: Moment, answer: Result<Acquired, StoreError>) {
        if answer.is_ok() {
            client.keeper_saw_round_trip(now.since(self.sent));
        }
        client.answered(now, self.id, self.request.token(), self.sent, answer);
    }

    /// Its session is gone, so nothing was sent.
    pub fn cut_off<C>(&self, client: &mut impl CallTable<C>, now: Moment) {
        client.cut_off(now, self.id);
    }

    pub fn id(&self) -> CallId {
        self.id
    }
}

impl RenewErrand {
    /// The answers to the renewals in order, or one error for all. Returns those that failed, to be logged.
    pub fn answered<C>(
        &self,
        client: &mut impl CallTable<C>,
        now: Moment,
        answers: Result<Vec<Result<Renewed, StoreError>>, StoreError>,
    ) -> Vec<(LockKey, StoreError)> {
        if answers.is_ok() {
            client.keeper_saw_round_trip(now.since(self.sent));
        }
        let answers = match answers {
            Ok(answers) if answers.len() == self.batch.len() => answers,
            Ok(_) => vec![Err(wrong_count()); self.batch.len()],
            Err(error) => vec![Err(error); self.batch.len()],
        };
        let mut failed = Vec::new();
        for ((&key, renewal), answer) in self.keys.iter().zip(&self.batch).zip(answers) {
            if let (Err(error), true) = (&answer, client.holds(key, renewal.token)) {
                failed.push((renewal.key.clone(), error.clone()));
            }
            client.renewed(now, key, renewal.token, (self.sent, renewal.ttl), answer);
        }
        failed
    }
}

impl DowngradeErrand {
    /// The answer, or an error. Returns it if it failed, to be logged.
    pub fn answered<C>(
        &self,
        client: &mut impl CallTable<C>,
        now: Moment,
        answer: Result<Renewed, StoreError>,
    ) -> Option<(LockKey, StoreError)> {
        if answer.is_ok() {
            client.keeper_saw_round_trip(now.since(self.sent));
        }
        let Downgrade { key, token, ttl } = &self.downgrade;
        let error = answer.as_ref().err().filter(|_| client.holds(self.key, *token));
        let failed = error.map(|error| (key.clone(), error.clone()));
        client.renewed(now, self.key, *token, (self.sent, *ttl), answer);
        failed
    }
}

impl ReleaseErrand {
    /// Where to send it, given which sessions are open.
    pub fn route(&self, is_open: impl FnOnce(SessionId) -> bool) -> Route {
        self.preferred.filter(|route| is_open(route.session)).unwrap_or(self.fallback)
    }

    pub fn answered<C>(
        &self,
        client: &mut impl CallTable<C>,
        now: Moment,
        via: SessionId,
        answer: Result<ReleaseReply, StoreError>,
    ) {
        client.released(now, self.id, Some(via), answer);
    }

    pub fn id(&self) -> CallId {
        self.id
    }
}

fn wrong_count() -> StoreError {
    StoreError::new(StoreErrorKind::Refused, "the store answered a different number of renewals than it was asked for")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientState;
    use crate::key::{Number, Settings};
    use crate::store::{Capabilities, ListenerId, Token};

    const OPERATION: Duration = Duration::from_secs(5);
    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);
    const KEEPERS: SessionId = SessionId(1);

    fn key(client: &mut ClientState<u32>, name: &str) -> KeyId {
        let terms = crate::lease::Terms {
            kind: Kind::Exclusive,
            ttl: Duration::from_secs(30),
            wait: crate::lease::Wait::Forever,
            renew: true,
            max_hold: None,
            min_hold: None,
            once: None,
        };
        client.arrive(NOW, &name.into(), Token::from_bits(1), terms, 0).expect("nothing refuses it").key
    }

    fn client() -> ClientState<u32> {
        let listener = ListenerId::from_bits(1);
        ClientState::new(Settings {
            operation_timeout: OPERATION,
            listener,
            local_handover: true,
            capabilities: Capabilities::new(),
        })
    }

    #[test]
    fn renewals_go_together_and_the_shortest_ttl_says_how_long_they_are_awaited() {
        let mut client = client();
        let key = key(&mut client, "a");
        let renewal = |ttl| Renewal::new("a", Token::from_bits(1), Duration::from_secs(ttl));
        let jobs = (0..100).map(|n| (key, Job::Renew(renewal(if n == 70 { 3 } else { 30 })))).collect();
        let sizes: Vec<(usize, Duration)> = errands(jobs, KEEPERS, NOW, OPERATION)
            .into_iter()
            .map(|errand| match errand {
                Errand::Renew(RenewErrand { batch, route, .. }) => (batch.len(), route.limit),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sizes, [(64, Duration::from_secs(1)), (36, Duration::from_millis(500))]);
    }

    #[test]
    fn a_release_goes_over_the_session_that_it_undoes_something_of_while_that_is_open() {
        let mut client = client();
        let key = key(&mut client, "a");
        let release = crate::store::Release::new("a", Token::from_bits(1));
        let job = Job::Release(Number(7), ReleaseRequest::Release(release), Some(SessionId(2)));
        let errands = errands(vec![(key, job)], KEEPERS, NOW, OPERATION);
        let [Errand::Release(release)] = &errands[..] else { panic!("{errands:?}") };
        let short = Route { session: SessionId(2), limit: RUNTIME_SESSION_TIMEOUT };
        assert_eq!(release.route(|_| true), short);
        assert_eq!(release.route(|_| false), Route { session: KEEPERS, limit: OPERATION });
    }
}
