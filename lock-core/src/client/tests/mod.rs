//! What a client decides, told as stories: time is an argument, and each test gives the store's answers.

mod claims;
mod crowd;
mod ending;
mod hand_over;
mod heirs;
mod holding;
mod messages;
mod once;
mod sets;
mod silence;
mod stopped;
mod strangers;
mod unseen;
mod waiting;

use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};

use super::sessions::SessionTable as _;
use super::state::{ClientState, MOST_PER_ROUND};
use super::tally::Tally;
use super::trust::Probe;
use crate::key::{
    AcquireRequest, Action, CallId, Job, ManualStep, Refusal, ReleaseReply, ReleaseRequest, ReleaseStep, SessionId,
    Settings, Step, Via,
};
use crate::lease::{Terms, Wait, deadline, usable};
use crate::store::model::Model;
use crate::store::{
    Acquired, ClockId, ClockReading, Downgrade, Enqueue, Entry, Grant, Kind, ListenerId, LockKey, LossReason, Moment,
    Release, Released, Renewal, Renewed, Rotate, Rotated, StoreError, StoreErrorKind, Token,
};
use crate::walk::CallTable as _;

pub(super) const OPERATION: Duration = Duration::from_secs(5);
pub(super) const TTL: Duration = Duration::from_secs(30);
/// The session of the runtime that runs the tasks of a story, and the keeper's.
pub(super) const HERE: SessionId = SessionId(1);
pub(super) const KEEPER: SessionId = SessionId(2);

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn terms(wait: Wait) -> Terms {
    Terms { kind: Kind::Exclusive, ttl: TTL, wait, renew: true, max_hold: None, min_hold: None, once: None }
}

pub(super) fn no_wait() -> Terms {
    terms(Wait::AtMost(Duration::ZERO))
}

pub(super) fn patient() -> Terms {
    terms(Wait::AtMost(Duration::from_secs(60)))
}

pub(super) fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "for a test")
}

pub(super) const LISTENER: ListenerId = ListenerId::from_bits(1);

pub(super) fn settings() -> Settings {
    Settings {
        operation_timeout: OPERATION,
        listener: LISTENER,
        local_handover: true,
        capabilities: Model::CAPABILITIES,
    }
}

/// A client, the time, and the actions that it took.
pub(super) struct Story {
    pub(super) client: ClientState<u32>,
    pub(super) now: Moment,
    next_caller: u32,
    /// Callers that were woken since the last look.
    pub(super) woken: Vec<u32>,
    pub(super) lost: Vec<(u32, LossReason)>,
    pub(super) passed_over: Vec<u32>,
    pub(super) replaced: Vec<SessionId>,
    /// The token of each request, by call and by when it was sent.
    asked: HashMap<(CallId, Moment), Token>,
}

impl Story {
    /// With a connected keeper.
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let mut story = Self::unconnected_with(settings);
        story.client.connected(story.now, KEEPER, true);
        story
    }

    pub(super) fn unconnected() -> Self {
        Self::unconnected_with(settings())
    }

    fn unconnected_with(settings: Settings) -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        let client = ClientState::new(settings);
        Self {
            client,
            now,
            next_caller: 0,
            woken: Vec::new(),
            lost: Vec::new(),
            passed_over: Vec::new(),
            replaced: Vec::new(),
            asked: HashMap::new(),
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// An acquire arrives; its caller is the number of arrivals before it.
    pub(super) fn arrive(&mut self, key: &str, terms: Terms) -> Result<CallId, Refusal> {
        let caller = self.next_caller;
        self.next_caller += 1;
        // As far apart as random tokens, so that their jitter differs.
        let low = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(caller) + 1);
        let token = Token::from_bits(u128::from(caller) << 64 | u128::from(low));
        let id = self.client.arrive(self.now, &key.into(), token, terms, caller);
        self.collect_actions();
        id
    }

    pub(super) fn next(&mut self, id: CallId) -> Step {
        let step = self.client.next(self.now, id, Some(Via { session: HERE, listener: None }));
        if let Step::Send(question) = &step {
            self.asked.insert((id, self.now), question.token());
        }
        self.collect_actions();
        step
    }

    /// An acquire arrives, and its task sends the first request.
    pub(super) fn ask(&mut self, key: &str, terms: Terms) -> (CallId, Moment) {
        let id = self.arrive(key, terms).expect("nothing refuses it");
        assert!(matches!(self.next(id), Step::Send(AcquireRequest::Ask(_))));
        (id, self.now)
    }

    pub(super) fn answer(&mut self, id: CallId, sent: Moment, answer: Result<Acquired, StoreError>) {
        let token = self.asked.get(&(id, sent)).copied().unwrap_or(self.token(id));
        self.client.answered(self.now, id, token, sent, answer);
        self.collect_actions();
    }

    /// The same, for a call that may be gone.
    pub(super) fn answer_of_gone(&mut self, id: CallId, sent: Moment, answer: Result<Acquired, StoreError>) {
        let token = self.asked[&(id, sent)];
        self.client.answered(self.now, id, token, sent, answer);
        self.collect_actions();
    }

    /// The first request found the key held; the look that follows learns for how long.
    pub(super) fn taken(&mut self, id: CallId, sent: Moment) {
        self.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    }

    pub(super) fn held_elsewhere(&mut self, id: CallId, sent: Moment, for_at_most: Duration) {
        self.answer(id, sent, Ok(Acquired::Held { for_at_most: Some(for_at_most), queued_at: None }));
    }

    /// An acquire arrives, asks and is granted.
    pub(super) fn hold(&mut self, key: &str, terms: Terms) -> CallId {
        let (id, sent) = self.ask(key, terms);
        self.grant(id, sent);
        id
    }

    pub(super) fn grant(&mut self, id: CallId, sent: Moment) {
        self.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
        assert!(matches!(self.next(id), Step::Granted { fence: 7, .. }));
    }

    pub(super) fn work(&mut self) -> Vec<Sent> {
        let jobs = self.client.work(self.now);
        let sent: Vec<Sent> = jobs
            .into_iter()
            .map(|(key, job)| match job {
                Job::Ask(number, question, session) => Sent::Ask(CallId { key, number }, question, session),
                Job::Renew(renewal) => Sent::Renew(renewal),
                Job::Downgrade(downgrade) => Sent::Downgrade(downgrade),
                Job::Release(number, request, via) => Sent::Release(CallId { key, number }, request, via),
            })
            .collect();
        for sent in &sent {
            if let Sent::Ask(id, question, _) = sent {
                self.asked.insert((*id, self.now), question.token());
            }
        }
        self.collect_actions();
        sent
    }

    /// Advances to when something is due, and does it.
    pub(super) fn next_work(&mut self) -> Vec<Sent> {
        self.now = self.now.max(self.client.next_due());
        self.work()
    }

    /// The only job that is due.
    pub(super) fn only_job(&mut self) -> Sent {
        let mut jobs = self.work();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    pub(super) fn end(&mut self, id: CallId, awaited: Option<Duration>) {
        self.client.end(self.now, id, awaited.map(|time| self.now + time));
        self.collect_actions();
    }

    pub(super) fn cancelled(&mut self, id: CallId) {
        self.client.cancelled(self.now, id);
        self.collect_actions();
    }

    pub(super) fn released(&mut self, id: CallId, via: SessionId, answer: Result<Released, StoreError>) {
        self.client.released(self.now, id, Some(via), answer.map(ReleaseReply::Released));
        self.collect_actions();
    }

    pub(super) fn rotated(&mut self, id: CallId, answer: Rotated) {
        self.client.released(self.now, id, Some(KEEPER), Ok(ReleaseReply::Rotated(answer)));
        self.collect_actions();
    }

    pub(super) fn renewed(&mut self, id: CallId, sent: Moment, answer: Result<Renewed, StoreError>) {
        self.client.renewed(self.now, id.key, self.token(id), (sent, TTL), answer);
        self.collect_actions();
    }

    /// The sessions that are to be probed now.
    pub(super) fn probed(&mut self) -> Vec<SessionId> {
        self.client.take_probes().into_iter().map(|Probe { session, .. }| session).collect()
    }

    /// A session answers its probe, or does not.
    pub(super) fn answers(&mut self, session: SessionId, does: bool) {
        self.client.probed(self.now, session, does);
        self.collect_actions();
    }

    pub(super) fn token(&self, id: CallId) -> Token {
        self.client.token_of(id).expect("the call is there")
    }

    pub(super) fn woken(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.woken)
    }

    pub(super) fn collect_actions(&mut self) {
        for action in self.client.take_actions() {
            match action {
                Action::Wake(caller) => self.woken.push(caller),
                Action::Extend(..) | Action::HalfOver(..) | Action::ShowPolled(..) => {}
                Action::Lose(caller, reason) => self.lost.push((caller, reason)),
                Action::PassedOver(caller, _) => {
                    self.woken.push(caller);
                    self.passed_over.push(caller);
                }
                Action::Replace(session) => self.replaced.push(session),
            }
        }
    }

    pub(super) fn assert_nothing_is_left(&mut self) {
        assert_eq!(self.client.residue(), None);
        assert_eq!(self.client.next_due(), Moment::MAX, "{:?}", self.client);
        assert!(self.client.is_idle());
    }
}

/// How far the store's clock is ahead of ours in the stories, in microseconds.
pub(super) const CLOCK: u64 = 5_000_000;

/// What the store's clock shows.
pub(super) fn clock(now: Moment) -> ClockReading {
    ahead(now, 0)
}

/// The same, were it set forward by so many microseconds.
pub(super) fn ahead(now: Moment, by: i64) -> ClockReading {
    ClockReading::new(ClockId::from_bits(1), (now.nanos() / 1000 + CLOCK).saturating_add_signed(by))
}

impl Story {
    /// An acquire arrives, finds the key held elsewhere, and enters the store's queue.
    pub(super) fn queue(&mut self, key: &str, terms: Terms) -> (CallId, Enqueue) {
        let (id, sent) = self.ask(key, terms);
        self.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
        let Step::Send(AcquireRequest::Enqueue(look)) = self.next(id) else { panic!("it looks at once") };
        self.found_held(id);
        (id, *look)
    }

    /// The look that was sent just now found the key held.
    pub(super) fn found_held(&mut self, id: CallId) {
        let (now, clock) = (self.now, clock(self.now));
        self.answer(id, now, Ok(Acquired::Held { for_at_most: Some(TTL), queued_at: Some(clock) }));
    }

    pub(super) fn push(&mut self, grant: &Grant) {
        self.client.handed_over(self.now, KEEPER, grant);
        self.collect_actions();
    }

    /// Ends a lease by a rotation.
    pub(super) fn rotate(&mut self, id: CallId) -> (CallId, Rotate) {
        self.end(id, None);
        rotation_of(self.only_job())
    }

    /// Holds a lease with a block of fences, as after a rotation that retained it.
    pub(super) fn hold_with_fences(&mut self, terms: Terms, waiters: usize) -> (CallId, Vec<CallId>) {
        let first = self.hold("a", terms);
        let waiters: Vec<_> = (0..waiters).map(|_| self.arrive("a", terms).expect("it waits")).collect();
        let (id, _) = self.rotate(first);
        self.rotated(id, Rotated::Retained { fence: 100 });
        self.granted(waiters[0], 100);
        (waiters[0], waiters[1..].to_vec())
    }

    pub(super) fn granted(&mut self, id: CallId, with: u64) -> Moment {
        match self.next(id) {
            Step::Granted { fence, until } if fence == with => until,
            other => panic!("{other:?} instead of fence {with}"),
        }
    }
}

pub(super) fn grant(token: Token, fence: u64, first_lease: Duration, clock: ClockReading) -> Grant {
    Grant { key: "a".into(), token, fence, fences: 1, first_lease, clock }
}

/// What the keeper sends, and for whom.
#[derive(Debug)]
pub(super) enum Sent {
    Ask(CallId, AcquireRequest, SessionId),
    Renew(Renewal),
    Downgrade(Downgrade),
    Release(CallId, ReleaseRequest, Option<SessionId>),
}

/// The rotation that a job carries.
pub(super) fn rotation_of(job: Sent) -> (CallId, Rotate) {
    match job {
        Sent::Release(id, ReleaseRequest::Rotate(rotation), _) => (id, *rotation),
        other => panic!("not a rotation: {other:?}"),
    }
}

/// The release that a job carries.
pub(super) fn release_of(job: Sent) -> (CallId, Release, Option<SessionId>) {
    match job {
        Sent::Release(id, ReleaseRequest::Release(release), via) => (id, release, via),
        other => panic!("not a release: {other:?}"),
    }
}
