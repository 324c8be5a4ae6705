//! What the keeper sends in one round: which operations go together, over which session, how long their answers are
//! waited for, and what those mean.

use std::time::Duration;

use crate::client::{CallId, ClientState, KeyId};
use crate::key::{Job, Question, ReleaseReply, ReleaseRequest, SessionId};
use crate::store::{Acquired, LockKey, Moment, Renewal, Renewed, StoreError, StoreErrorKind};

/// How many renewals one call of the store carries.
const BATCH: usize = 64;
/// How long a batch of renewals may stay without an answer, at least and at most, before the session is suspected.
const SUSPICION: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// How long a release by a runtime's session may stay without an answer, at most, before it goes by the keeper's own: the
/// runtime may not be polled any more, and then nothing is written.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// One operation of a store.
#[derive(Debug, Clone)]
pub enum Errand {
    Ask(AskErrand),
    Renew(RenewErrand),
    Release(ReleaseErrand),
}

/// Over which session an operation goes, and for how long its answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub session: SessionId,
    pub limit: Duration,
    /// Whether a missing answer is a reason to doubt the session.
    pub is_suspect: bool,
}

/// A question for a call.
#[derive(Debug, Clone)]
pub struct AskErrand {
    id: CallId,
    pub question: Question,
    sent: Moment,
    /// Over this session alone, where the call hears of its grant.
    pub way: Way,
}

/// Renewals that go together.
#[derive(Debug, Clone)]
pub struct RenewErrand {
    keys: Vec<KeyId>,
    pub batch: Vec<Renewal>,
    sent: Moment,
    pub way: Way,
}

/// A release.
#[derive(Debug, Clone)]
pub struct ReleaseErrand {
    id: CallId,
    pub request: ReleaseRequest,
    /// Over the session that carried what it undoes, if that is still there; else over the keeper's.
    first: Option<Way>,
    keepers: Way,
}

/// What is sent of these jobs, by a keeper that has this session.
pub fn errands(jobs: Vec<(KeyId, Job)>, keepers: SessionId, sent: Moment, operation_timeout: Duration) -> Vec<Errand> {
    let way = |session| Way { session, limit: operation_timeout, is_suspect: true };
    let (mut errands, mut renewals) = (Vec::new(), Vec::new());
    for (key, job) in jobs {
        match job {
            Job::Ask(number, question, session) => {
                let id = CallId { key, number };
                errands.push(Errand::Ask(AskErrand { id, question, sent, way: way(session) }));
            }
            Job::Release(number, request, via) => {
                let first = via.map(|via| elsewhere(way(via)));
                let id = CallId { key, number };
                errands.push(Errand::Release(ReleaseErrand { id, request, first, keepers: way(keepers) }));
            }
            Job::Renew(renewal) => renewals.push((key, renewal)),
        }
    }
    let mut renewals = renewals.into_iter().peekable();
    while renewals.peek().is_some() {
        let (keys, batch): (_, Vec<Renewal>) = renewals.by_ref().take(BATCH).unzip();
        let shortest = batch.iter().map(|renewal| renewal.ttl).min().unwrap_or_default();
        let limit = (shortest / 6).clamp(SUSPICION.0, SUSPICION.1).min(operation_timeout);
        errands.push(Errand::Renew(RenewErrand { keys, batch, sent, way: Way { limit, ..way(keepers) } }));
    }
    errands
}

/// Too short a time to doubt the session by.
fn elsewhere(way: Way) -> Way {
    if ELSEWHERE < way.limit { Way { limit: ELSEWHERE, is_suspect: false, ..way } } else { way }
}

impl AskErrand {
    pub fn answered<C: Clone>(&self, client: &mut ClientState<C>, now: Moment, answer: Result<Acquired, StoreError>) {
        client.answered(now, self.id, self.question.token(), self.sent, answer);
    }

    /// Its session is gone, and so nothing was sent.
    pub fn cut_off<C: Clone>(&self, client: &mut ClientState<C>, now: Moment) {
        client.cut_off(now, self.id);
    }

    pub fn id(&self) -> CallId {
        self.id
    }
}

impl RenewErrand {
    /// An answer for each renewal in order, or none for all. Comes back with those that failed, for whoever tells of that.
    pub fn answered<C: Clone>(
        &self,
        client: &mut ClientState<C>,
        now: Moment,
        answers: Result<Vec<Result<Renewed, StoreError>>, StoreError>,
    ) -> Vec<(LockKey, StoreError)> {
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

impl ReleaseErrand {
    /// Over which session it goes, if those are open of which `is_open` says so.
    pub fn way(&self, is_open: impl FnOnce(SessionId) -> bool) -> Way {
        self.first.filter(|way| is_open(way.session)).unwrap_or(self.keepers)
    }

    pub fn answered<C: Clone>(
        &self,
        client: &mut ClientState<C>,
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
    StoreError::new(StoreErrorKind::Refused, "the store answered another number of renewals than it was asked for")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Number, Settings};
    use crate::store::{Capabilities, Kind, ListenerId, Token};

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
        let renewal = |ttl| Renewal { key: "a".into(), token: Token::from_bits(1), ttl: Duration::from_secs(ttl) };
        let jobs = (0..100).map(|n| (key, Job::Renew(renewal(if n == 70 { 3 } else { 30 })))).collect();
        let sizes: Vec<(usize, Duration)> = errands(jobs, KEEPERS, NOW, OPERATION)
            .into_iter()
            .map(|errand| match errand {
                Errand::Renew(RenewErrand { batch, way, .. }) => (batch.len(), way.limit),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sizes, [(64, Duration::from_secs(1)), (36, Duration::from_millis(500))]);
    }

    #[test]
    fn a_release_goes_over_the_session_that_it_undoes_something_of_while_that_is_open() {
        let mut client = client();
        let key = key(&mut client, "a");
        let release = crate::store::Release {
            key: "a".into(),
            token: Token::from_bits(1),
            keep: None,
            leave: None,
            contended: false,
        };
        let job = Job::Release(Number(7), ReleaseRequest::Release(release), Some(SessionId(2)));
        let errands = errands(vec![(key, job)], KEEPERS, NOW, OPERATION);
        let [Errand::Release(release)] = &errands[..] else { panic!("{errands:?}") };
        let short = Way { session: SessionId(2), limit: ELSEWHERE, is_suspect: false };
        assert_eq!(release.way(|_| true), short);
        assert_eq!(release.way(|_| false), Way { session: KEEPERS, limit: OPERATION, is_suspect: true });
    }
}
