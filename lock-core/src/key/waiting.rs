//! A call that has no grant yet, as a value: how far it is with asking, until when it may be refused, when it looks again.

use std::time::Duration;

use super::doubt::Doubt;
use super::messages::{Refusal, SessionId, Via};
use crate::lease::{Backoff, QUEUE_LASTS, Reading, Terms, Wait, crowd_period, fresh_for, jitter, period};
use crate::planted::{Mutant, planted};
use crate::store::{Entry, ListenerId, Moment, StoreError, StoreErrorKind, Token};

/// How long a task that may ask by itself may take for it; then the keeper asks.
pub(super) const PATIENCE: Duration = Duration::from_millis(10);
/// How long a waiter rests between two looks, on average, if it is told of nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The shortest rest of such a waiter, however soon the holder's ttl ends.
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// For how many periods a waiter who only looks counts as alive without a look.
const ALIVE_FOR_PERIODS: u32 = 3;
/// How long before its time is over a waiter looks once more, if it would end without news.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How often in a row a question that was not executed is sent again at once.
const MOST_SENT_BACK: u32 = 5;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) terms: Terms,
    pub(super) arrived: Moment,
    /// Since when it has its token; answers to earlier questions are about another.
    pub(super) since: Moment,
    /// From when on a busy key is a reason to give up.
    pub(super) busy_from: Moment,
    /// From when on anything is.
    pub(super) time_up: Moment,
    pub(super) phase: Phase,
    /// What carried the last question about this token; the token was never sent when there is none.
    pub(super) carrier: Option<SessionId>,
    /// Over which session its own task would hear of a grant.
    home: Option<(SessionId, ListenerId)>,
    /// Over which session the entry's listener hears of its grant; it looks often if there is none.
    pub(super) told_over: Option<SessionId>,
    /// The token's place in the store's queue, once it has asked for one, and when that was sent.
    pub(super) entry: Option<(Entry, Moment)>,
    /// The store's clock when it first stood in the queue, be it under another token.
    pub(super) place: Option<u64>,
    /// What is known of the store's clock.
    pub(super) reading: Option<Reading>,
    /// Earlier questions about this token.
    pub(super) doubt: Doubt,
    /// What went wrong, unless the store has answered since.
    pub(super) trouble: Option<StoreError>,
    answered: bool,
    /// How often it was told that the key is held.
    looks: u32,
    /// How often in a row it was not answered.
    failures: u32,
    /// When its last look was sent.
    pub(super) looked: Moment,
    /// For how long the store keeps its queue, since that.
    pub(super) queue_lasts: Duration,
    /// The longest ttl that was asked for under its token, by a holder before it.
    pub(super) longest_ttl: Duration,
    /// Until when it is news that the key is held.
    busy_until: Moment,
    /// How often in a row its question came back and was not executed.
    sent_back: u32,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// It stands in the local queue.
    InLine,
    /// Its task may ask; the keeper does from then on.
    MayAsk { keeper_from: Moment },
    Asking {
        sent: Moment,
        fails_at: Moment,
        /// By its own task; else the keeper asks, or the rotation of the holder before it.
        by_task: bool,
        /// How many fences it asks for.
        fences: u32,
    },
    /// Until the next look, after being told that the key is held or after trouble.
    Resting { until: Moment, told_held: bool },
    /// It would look, and others do before it. It was told that the key is held.
    PutOff,
    /// It waits for the keeper to have a session.
    Parked,
}

impl Waiting {
    pub(super) fn new(now: Moment, terms: Terms, operation_timeout: Duration) -> Self {
        let (busy_from, time_up) = match terms.wait {
            Wait::AtMost(wait) => (now + wait, now + wait.max(operation_timeout)),
            Wait::Forever => (Moment::MAX, Moment::MAX),
        };
        Self {
            terms,
            arrived: now,
            since: now,
            busy_from,
            time_up,
            phase: Phase::InLine,
            carrier: None,
            home: None,
            told_over: None,
            entry: None,
            place: None,
            reading: None,
            doubt: Doubt::Nowhere,
            trouble: None,
            answered: false,
            looks: 0,
            failures: 0,
            looked: Moment::MIN,
            queue_lasts: QUEUE_LASTS,
            longest_ttl: Duration::ZERO,
            busy_until: Moment::MIN,
            sent_back: 0,
        }
    }

    /// When the clock may next have something to say about it, once it may ask.
    pub(super) fn due(&self) -> Moment {
        match self.phase {
            Phase::PutOff => self.busy_from,
            Phase::InLine | Phase::Parked => self.time_up,
            Phase::MayAsk { keeper_from } => keeper_from.min(self.time_up),
            Phase::Asking { fails_at, .. } => fails_at.min(self.time_up),
            Phase::Resting { until, told_held: true } => until.min(self.busy_from),
            Phase::Resting { until, told_held: false } => until.min(self.time_up),
        }
    }

    /// It may ask from now on: its task at once, the keeper if the task does not.
    pub(super) fn may_ask(&mut self, now: Moment) {
        self.phase = Phase::MayAsk { keeper_from: now + PATIENCE };
    }

    /// The keeper has a session again.
    pub(super) fn unpark(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Parked) {
            self.phase = Phase::MayAsk { keeper_from: now };
        }
    }

    /// The questions that may yet take effect: the one that is under way, if any, and earlier ones.
    pub(super) fn in_doubt(&self) -> Doubt {
        match self.phase {
            Phase::Asking { .. } => self.doubt.and(self.carrier),
            _ => self.doubt,
        }
    }

    pub(super) fn is_by_task(&self) -> bool {
        matches!(self.phase, Phase::Asking { by_task: true, .. })
    }

    /// How many fences came with a grant that was asked for at `sent`.
    pub(super) fn fences_asked_at(&self, asked: Moment) -> u32 {
        match self.phase {
            Phase::Asking { sent, fences, .. } if sent == asked => fences,
            _ => 1,
        }
    }

    /// The question that is under way: when it was sent, and where.
    pub(super) fn unanswered(&self) -> Option<(Moment, SessionId)> {
        match (&self.phase, self.carrier) {
            (Phase::Asking { sent, .. }, Some(session)) => Some((*sent, session)),
            _ => None,
        }
    }

    /// A question is sent.
    pub(super) fn asks(&mut self, now: Moment, by: Asks) {
        let Asks { session, patience, by_task, fences } = by;
        self.carrier = Some(session);
        self.phase = Phase::Asking { sent: now, fails_at: now + patience, by_task, fences };
    }

    /// Its task calls, and would hear of a grant over this session.
    pub(super) fn is_at(&mut self, via: Option<Via>) {
        if let Some(Via { session, listener: Some(listener) }) = via {
            self.home = Some((session, listener));
        }
    }

    /// It goes on without the session over which its task would have heard.
    pub(super) fn is_homeless(&mut self) {
        self.home = None;
    }

    /// Who hears of its grant, and over which session: where its task is, else where the keeper is.
    pub(super) fn told(&self, keepers: (ListenerId, Option<SessionId>)) -> (ListenerId, Option<SessionId>) {
        self.home.map_or(keepers, |(session, listener)| (listener, Some(session)))
    }

    /// Whether its task may look by itself: over a session that carried all that was asked before, or as the first.
    pub(super) fn may_look_over(&self, session: SessionId) -> bool {
        self.doubt == Doubt::Nowhere && self.carrier.is_none_or(|carrier| carrier == session)
    }

    /// Whether it may stand in a queue of the store: whoever waits no longer does not join it.
    pub(super) fn may_queue(&self, now: Moment) -> bool {
        self.entry.is_some() || now < self.busy_from
    }

    /// Whether it was told that the key is held, or went to its queue at once.
    pub(super) fn has_waited(&self) -> bool {
        self.entry.is_some() || self.answered
    }

    /// It hears of its grant over this session from now on, if over any. What it was told before may be out of date, and
    /// a message may be lost.
    pub(super) fn look_again(&mut self, now: Moment, told_over: Option<SessionId>) {
        self.told_over = told_over;
        self.reading = None;
        self.hurry_look(now);
    }

    /// Looks at once, if it rests or was put off because it was told that the key is held.
    pub(super) fn hurry_look(&mut self, now: Moment) {
        if self.is_told_held() {
            self.phase = Phase::MayAsk { keeper_from: now };
        }
    }

    /// Whether the last that it heard is that the key is held.
    pub(super) fn is_told_held(&self) -> bool {
        matches!(self.phase, Phase::Resting { told_held: true, .. } | Phase::PutOff)
    }

    /// Whether that is news still.
    pub(super) fn is_held_for_sure(&self, now: Moment) -> bool {
        self.is_told_held() && now < self.busy_until
    }

    /// Whether its period is over, of one that is told of its grant: then it looks when others have looked before it.
    pub(super) fn wants_periodic_look(&self, now: Moment) -> bool {
        let is_told = self.told_over.is_some() && self.reading.is_some();
        matches!(self.phase, Phase::Resting { told_held: true, .. }) && is_told && !self.looks_last(now)
    }

    /// Goes on under a token that was never sent; its place in the store's queue is remembered.
    pub(super) fn start_over(&mut self, now: Moment) {
        self.since = now;
        self.phase = Phase::InLine;
        self.carrier = None;
        self.told_over = None;
        self.entry = None;
        self.reading = None;
        self.doubt = Doubt::Nowhere;
        self.longest_ttl = Duration::ZERO;
    }

    /// It stands in the store's queue: the clock was so in the reply to what was sent then.
    fn queued(&mut self, sent: Moment, clock: u64) {
        self.place.get_or_insert(clock);
        self.reading = Some(Reading { sent, clock }.better(self.reading));
    }

    /// A lower bound on the moment of a hand-over to it at this time of the store's clock.
    pub(super) fn handed_not_before(&self, clock: u64) -> Moment {
        let enqueued = self.entry.as_ref().map_or(Moment::MIN, |&(_, sent)| sent);
        self.reading.map_or(enqueued, |reading| reading.not_after(clock).max(enqueued))
    }

    /// Whether it never asked for anything, so that the short way is open to it.
    pub(super) fn is_new(&self) -> bool {
        self.carrier.is_none() && self.place.is_none()
    }

    /// Whether the question that was sent then is the one that it awaits.
    pub(super) fn awaits(&self, sent: Moment) -> bool {
        matches!(self.phase, Phase::Asking { sent: current, .. } if current == sent)
    }

    /// What to say when the time is up: whether the key was held meanwhile, and what kept others from asking.
    pub(super) fn time_up_refusal(&self, held: bool, blocked: Option<StoreError>) -> Refusal {
        match (&self.trouble, blocked) {
            (None, _) if self.answered => Refusal::Busy,
            (None, None) if held => Refusal::Busy,
            (trouble, blocked) => {
                // A connection that ended because of a refusal says less than the refusal.
                let refused = blocked.as_ref().filter(|error| error.kind() == StoreErrorKind::Refused);
                let said = refused.or(trouble.as_ref()).or(blocked.as_ref());
                Refusal::Unavailable(said.cloned().unwrap_or_else(StoreError::no_answer))
            }
        }
    }

    /// The store answered that the key is held; whoever asked asks next, at once, unless it [`rests`](Self::rest).
    pub(super) fn held_elsewhere(&mut self, now: Moment, sent: Moment, clock: Option<u64>) {
        self.answered = true;
        (self.failures, self.sent_back) = (0, 0);
        self.trouble = None;
        if let Some(clock) = clock {
            self.queued(sent, clock);
        }
        self.asks_next(now);
    }

    /// Whoever asked asks again, at once.
    fn asks_next(&mut self, now: Moment) {
        self.phase = Phase::MayAsk { keeper_from: if self.is_by_task() { now + PATIENCE } else { now } };
    }

    /// Its question came back and was not executed; whether it is sent again at once. It then took no effect, and the token
    /// is asked for only as long as somebody wants it.
    pub(super) fn may_ask_again(&mut self, now: Moment) -> bool {
        self.sent_back += 1;
        let may = self.sent_back <= MOST_SENT_BACK;
        if may {
            self.asks_next(now);
        }
        may
    }

    /// Its question failed. Whatever the store says of that, a part of it may have taken effect.
    pub(super) fn failed(&mut self, now: Moment, token: Token, error: StoreError) {
        self.doubt = self.doubt.and(self.carrier);
        self.trouble = Some(error);
        // The first retry is at once.
        let pause = Backoff::OF_OPERATIONS.pause(token.seed(), self.failures);
        let until = if self.failures == 0 { now } else { now + pause };
        self.failures += 1;
        self.phase = Phase::Resting { until, told_held: false };
    }

    /// The moment of the next look, or one before it, if else its time to wait would end without any news.
    fn last_look_before(&self, now: Moment, next: Moment) -> Moment {
        let last = self.busy_from - LAST_LOOK;
        if next >= self.busy_from && self.busy_until < self.busy_from && now < last { last } else { next }
    }

    /// Whether this is its last look.
    fn looks_last(&self, now: Moment) -> bool {
        self.busy_from - LAST_LOOK <= now
    }

    /// Rests until the next look, which is the sooner the less it is told.
    pub(super) fn rest(&mut self, now: Moment, token: Token, held_for: Duration, is_told: bool, waiters: usize) {
        self.looks += 1;
        self.busy_until = now + fresh_for(held_for);
        let has_just_come = self.entry.as_ref().is_some_and(|&(_, enqueued)| enqueued == self.looked);
        let rest = if is_told {
            let (period, crowd) = (period(held_for, waiters), crowd_period(waiters));
            let rest = if has_just_come && crowd == period {
                // A crowd that came together is spread over its period, and then stays so.
                let shortest = self::period(held_for, 0);
                shortest + jitter(token.seed(), self.looks, period.saturating_sub(shortest))
            } else {
                period + jitter(token.seed(), self.looks, period / 4)
            };
            rest.min(self.queue_lasts / 2)
        } else {
            let rest = LOOK_EVERY / 2 + jitter(token.seed(), self.looks, LOOK_EVERY);
            rest.min(held_for + Duration::from_millis(2)).max(SHORTEST_REST)
        };
        let until = if is_told && planted(Mutant::MessagesAlone) {
            Moment::MAX
        } else {
            self.last_look_before(now, now + rest)
        };
        self.phase = Phase::Resting { until, told_held: true };
    }
}

/// Who asks, and until when the answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks {
    pub(super) session: SessionId,
    pub(super) patience: Duration,
    pub(super) by_task: bool,
    pub(super) fences: u32,
}

/// For how long a waiter who only looks counts as alive.
pub(super) fn alive_for(round_trip: Duration) -> Duration {
    (LOOK_EVERY * 3 / 2 + round_trip) * ALIVE_FOR_PERIODS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kind;

    #[test]
    fn a_waiter_who_is_told_rests_until_the_holders_ttl_is_over_or_a_second() {
        let (now, token) = (Moment::from_nanos(1_000_000_000_000), Token::from_bits(7));
        let terms = Terms {
            kind: Kind::Exclusive,
            ttl: Duration::ZERO,
            wait: Wait::Forever,
            renew: false,
            max_hold: None,
            min_hold: None,
        };
        let rest = |held_for, is_told| {
            let mut waiting = Waiting::new(now, terms, Duration::ZERO);
            waiting.rest(now, token, held_for, is_told, 1);
            waiting.due().since(now)
        };
        let within = |rest: Duration, from, to| {
            assert!(rest >= Duration::from_millis(from) && rest <= Duration::from_millis(to), "{rest:?}");
        };
        within(rest(Duration::from_secs(30), true), 1000, 1250);
        within(rest(Duration::from_millis(400), true), 400, 500);
        within(rest(Duration::ZERO, true), 100, 125);
        within(rest(Duration::from_secs(30), false), 50, 150);
        within(rest(Duration::from_millis(20), false), 10, 22);
    }
}
