//! What the core decides, told as stories: time is an argument, the store's answers are ours to give.

mod crowd;
mod ending;
mod hand_over;
mod heirs;
mod holding;
mod strangers;
mod waiting;

use super::*;
use crate::store::LossReason;
use crate::store::{
    Acquired, Ask, ListenerId, Look, Release, Released, Renewal, Renewed, Rotate, Rotated, StoreErrorKind,
};

pub(super) const OPERATION: Duration = Duration::from_secs(5);
pub(super) const TTL: Duration = Duration::from_secs(30);
/// The line of the runtime on which the tasks of a story run, and the keeper's.
pub(super) const HERE: SessionId = SessionId(1);
pub(super) const KEEPER: SessionId = SessionId(2);

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn terms(wait: Wait) -> Terms {
    Terms { ttl: TTL, wait, renew: true, max_hold: None, min_hold: None }
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
    Settings { operation_timeout: OPERATION, listener: LISTENER, local_handover: true }
}

/// A core, the time, and what it said to whom.
pub(super) struct Story {
    pub(super) core: Core<u32>,
    pub(super) now: Moment,
    next_seat: u32,
    /// Seats that were woken since the last look.
    pub(super) woken: Vec<u32>,
    pub(super) lost: Vec<(u32, LossReason)>,
    pub(super) timed_out: Vec<SessionId>,
    /// For which token a ticket asked at a moment.
    asked: HashMap<(TicketId, Moment), Token>,
}

impl Story {
    /// With a keeper that is connected.
    pub(super) fn new() -> Self {
        let mut story = Self::unconnected();
        story.core.connected(story.now, KEEPER, true);
        story
    }

    pub(super) fn unconnected() -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        let core = Core::new(settings());
        Self {
            core,
            now,
            next_seat: 0,
            woken: Vec::new(),
            lost: Vec::new(),
            timed_out: Vec::new(),
            asked: HashMap::new(),
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// An acquire arrives; its seat is the number of arrivals before it.
    pub(super) fn arrive(&mut self, key: &str, terms: Terms) -> Result<TicketId, Refusal> {
        let seat = self.next_seat;
        self.next_seat += 1;
        // As far apart as random ones, so that nobody's jitter is another's.
        let low = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(seat) + 1);
        let token = Token::from_bits(u128::from(seat) << 64 | u128::from(low));
        let id = self.core.arrive(self.now, key.into(), token, terms, seat);
        self.listen();
        id
    }

    pub(super) fn next(&mut self, id: TicketId) -> Step {
        let step = self.core.next(self.now, id, Some(Via { line: HERE, listener: None }));
        if let Step::Ask(Ask { token, .. }) | Step::Look(Look { token, .. }) = &step {
            self.asked.insert((id, self.now), *token);
        }
        self.listen();
        step
    }

    /// An acquire arrives and asks by itself.
    pub(super) fn ask(&mut self, key: &str, terms: Terms) -> (TicketId, Moment) {
        let id = self.arrive(key, terms).expect("nothing refuses it");
        assert!(matches!(self.next(id), Step::Ask(_)));
        (id, self.now)
    }

    pub(super) fn answer(&mut self, id: TicketId, sent: Moment, answer: Result<Acquired, StoreError>) {
        let token = self.asked.get(&(id, sent)).copied().unwrap_or(self.token(id));
        self.core.answered(self.now, id, token, sent, answer);
        self.listen();
    }

    /// The same, for a ticket that may be gone.
    pub(super) fn answer_of_gone(&mut self, id: TicketId, sent: Moment, answer: Result<Acquired, StoreError>) {
        let token = self.asked[&(id, sent)];
        self.core.answered(self.now, id, token, sent, answer);
        self.listen();
    }

    /// The short way found the key held; for how long is what the look says that follows.
    pub(super) fn taken(&mut self, id: TicketId, sent: Moment) {
        self.answer(id, sent, Ok(Acquired::Held { for_at_most: None, queued_at: None }));
    }

    pub(super) fn held_elsewhere(&mut self, id: TicketId, sent: Moment, for_at_most: Duration) {
        self.answer(id, sent, Ok(Acquired::Held { for_at_most: Some(for_at_most), queued_at: None }));
    }

    /// An acquire arrives, asks and is granted.
    pub(super) fn hold(&mut self, key: &str, terms: Terms) -> TicketId {
        let (id, sent) = self.ask(key, terms);
        self.grant(id, sent);
        id
    }

    pub(super) fn grant(&mut self, id: TicketId, sent: Moment) {
        self.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
        assert!(matches!(self.next(id), Step::Granted { fence: 7, .. }));
    }

    pub(super) fn work(&mut self) -> Vec<Job> {
        let jobs = self.core.work(self.now);
        for job in &jobs {
            if let Job::Acquire(id, Ask { token, .. }) | Job::Look(id, Look { token, .. }, _) = job {
                self.asked.insert((*id, self.now), *token);
            }
        }
        self.listen();
        jobs
    }

    /// Goes on to when something is due, and does it.
    pub(super) fn next_work(&mut self) -> Vec<Job> {
        self.now = self.now.max(self.core.next_due());
        self.work()
    }

    /// The only job that is due.
    pub(super) fn only_job(&mut self) -> Job {
        let mut jobs = self.work();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    pub(super) fn end(&mut self, id: TicketId, awaited: Option<Duration>) {
        self.core.end(self.now, id, awaited.map(|time| self.now + time));
        self.listen();
    }

    pub(super) fn left(&mut self, id: TicketId) {
        self.core.left(self.now, id);
        self.listen();
    }

    pub(super) fn released(&mut self, id: TicketId, via: SessionId, answer: Result<Released, StoreError>) {
        self.core.released(self.now, id, Some(via), answer.map(Given::Released));
        self.listen();
    }

    pub(super) fn rotated(&mut self, id: TicketId, answer: Rotated) {
        self.core.released(self.now, id, Some(KEEPER), Ok(Given::Rotated(answer)));
        self.listen();
    }

    pub(super) fn renewed(&mut self, id: TicketId, sent: Moment, answer: Result<Renewed, StoreError>) {
        self.core.renewed(self.now, id, self.token(id), sent, TTL, answer);
        self.listen();
    }

    pub(super) fn token(&self, id: TicketId) -> Token {
        self.core.tickets.get(id).expect("the ticket is there").token
    }

    pub(super) fn woken(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.woken)
    }

    pub(super) fn listen(&mut self) {
        for action in self.core.take_actions() {
            match action {
                Action::Wake(seat) => self.woken.push(seat),
                Action::Extend(..) => {}
                Action::Lose(seat, reason) => self.lost.push((seat, reason)),
                Action::TimedOut(line) => self.timed_out.push(line),
            }
        }
    }

    pub(super) fn assert_nothing_is_left(&mut self) {
        assert!(self.core.is_idle(), "{:?}", self.core);
        assert_eq!(self.core.next_due(), Moment::MAX, "{:?}", self.core);
        assert!(
            self.core.lines.is_empty() && self.core.agenda.is_empty() && self.core.parked.is_empty(),
            "{:?}",
            self.core
        );
        let Core { held, waiting, queued, handed_back, settled, looks, .. } = &self.core;
        assert_eq!([held, waiting, queued, handed_back, settled], [&0; 5]);
        assert_eq!(looks.due(), Moment::MAX);
    }
}

/// The rotation that a job carries.
pub(super) fn rotation_of(job: Job) -> (TicketId, Rotate) {
    match job {
        Job::Give(id, Giving::Rotate(rotation), _) => (id, rotation),
        other => panic!("not a rotation: {other:?}"),
    }
}

/// The release that a job carries.
pub(super) fn release_of(job: Job) -> (TicketId, Release, Option<SessionId>) {
    match job {
        Job::Give(id, Giving::Release(release), via) => (id, release, via),
        other => panic!("not a release: {other:?}"),
    }
}
