//! A call without a grant, as a value: its requests, when it may be refused, when it looks again.

use std::time::Duration;

use super::doubt::Doubt;
use super::ids::SessionId;
use super::messages::{Refusal, Via};
use super::names::CallNames;
use crate::lease::{Backoff, QUEUE_KEPT_FOR, Reading, Terms, Wait, crowd_period, jitter, known_held_for, period};
use crate::planted::{Mutant, planted};
use crate::store::{ClockReading, Entry, ListenerId, Moment, StoreError, StoreErrorKind, Token};

/// How long the keeper leaves it to a task to send its own request, before it asks in its place.
pub(super) const TASK_HEAD_START: Duration = Duration::from_millis(10);
/// The average pause between two looks of a waiter without grant messages.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The shortest pause of such a waiter, however soon the holder's ttl ends.
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// How many periods without a look a waiter without grant messages counts as alive.
const ALIVE_FOR_PERIODS: u32 = 3;
/// How long before its time is over a waiter looks once more, if it would otherwise give up on an old answer.
const FINAL_LOOK: Duration = Duration::from_secs(1);
/// How often in a row a request that was not executed is sent again at once.
const MOST_RESENDS: u32 = 5;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) terms: Terms,
    pub(super) arrived: Moment,
    /// When it got its token; answers to requests before that are about another token.
    pub(super) token_since: Moment,
    /// From then on a busy key is a reason to give up.
    pub(super) wait_until: Moment,
    /// From then on anything is.
    pub(super) give_up_at: Moment,
    pub(super) phase: Phase,
    /// The session that carried the last request for this token; none if none was sent.
    pub(super) sent_over: Option<SessionId>,
    /// The session of its task's runtime, if the store sends grant messages over it, and their listener.
    own_session: Option<(SessionId, ListenerId)>,
    /// The session over which the entry's listener is told of a grant; without one, it looks often.
    pub(super) push_session: Option<SessionId>,
    /// The token's entry in the store's queue, once one was sent, and when that was.
    pub(super) entry: Option<(Entry, Moment)>,
    /// The store's clock when it first entered the queue, under this token or an earlier one: its place.
    pub(super) queue_since: Option<u64>,
    /// A reading of the store's clock, if there is one.
    pub(super) reading: Option<Reading>,
    /// Earlier requests for this token that had no answer.
    pub(super) doubt: Doubt,
    /// The last error, unless the store has answered since.
    pub(super) last_error: Option<StoreError>,
    answered: bool,
    /// When the holder's lease expires at the latest, unless it is renewed, if the store said so.
    held_until: Option<Moment>,
    /// How often it was answered that the key is held.
    looks: u32,
    /// How often in a row it had no answer.
    failures: u32,
    /// When its last look was sent.
    pub(super) last_look: Moment,
    /// How long the store keeps its queue after that look.
    pub(super) queue_kept_for: Duration,
    /// The longest ttl that an earlier holder asked for under its token.
    pub(super) longest_ttl: Duration,
    /// Until when the answer that the key is held counts as recent.
    known_held_until: Moment,
    /// How often in a row its request was not executed.
    not_executed: u32,
}

/// How far a waiter is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// It is in the local queue.
    InLocalQueue,
    /// Its task may ask; from `keeper_from` on the keeper does.
    MayAsk { keeper_from: Moment },
    Asking {
        sent: Moment,
        fails_at: Moment,
        /// Its own task sent the request; else the keeper did, or the rotation of the holder before it.
        by_task: bool,
        /// How many fences it asks for.
        fences: u32,
    },
    /// Until the next look, after an answer that the key is held, or after an error.
    Resting { until: Moment, found_held: bool },
    /// A look is due, and the client's rate limit defers it. The last answer was that the key is held.
    Deferred,
    /// It waits until the keeper has a session.
    Parked,
}

impl Phase {
    fn show_names(&mut self, names: &mut impl CallNames) {
        match self {
            Self::InLocalQueue | Self::Deferred | Self::Parked => {}
            Self::MayAsk { keeper_from: moment } | Self::Resting { until: moment, .. } => names.moment(moment),
            Self::Asking { sent, fails_at, .. } => {
                names.moment(sent);
                names.moment(fails_at);
            }
        }
    }
}

impl Waiting {
    pub(super) fn new(now: Moment, terms: Terms, operation_timeout: Duration) -> Self {
        let (wait_until, give_up_at) = match terms.wait {
            Wait::AtMost(wait) => (now + wait, now + wait.max(operation_timeout)),
            Wait::Forever => (Moment::MAX, Moment::MAX),
        };
        Self {
            terms,
            arrived: now,
            token_since: now,
            wait_until,
            give_up_at,
            phase: Phase::InLocalQueue,
            sent_over: None,
            own_session: None,
            push_session: None,
            entry: None,
            queue_since: None,
            reading: None,
            doubt: Doubt::Nowhere,
            last_error: None,
            answered: false,
            held_until: None,
            looks: 0,
            failures: 0,
            last_look: Moment::MIN,
            queue_kept_for: QUEUE_KEPT_FOR,
            longest_ttl: Duration::ZERO,
            known_held_until: Moment::MIN,
            not_executed: 0,
        }
    }

    /// The next moment at which the clock changes anything for it, once it may ask.
    pub(super) fn due(&self) -> Moment {
        match self.phase {
            Phase::Deferred => self.wait_until,
            Phase::InLocalQueue | Phase::Parked => self.give_up_at,
            Phase::MayAsk { keeper_from } => keeper_from.min(self.give_up_at),
            Phase::Asking { fails_at, .. } => fails_at.min(self.give_up_at),
            Phase::Resting { until, found_held: true } => until.min(self.wait_until),
            Phase::Resting { until, found_held: false } => until.min(self.give_up_at),
        }
    }

    /// It may ask from now on: its task at once, the keeper if the task does not.
    pub(super) fn may_ask(&mut self, now: Moment) {
        self.phase = Phase::MayAsk { keeper_from: now + TASK_HEAD_START };
    }

    /// The keeper has a session again.
    pub(super) fn unpark(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Parked) {
            self.phase = Phase::MayAsk { keeper_from: now };
        }
    }

    /// Requests that may still take effect: the one in flight, if any, and earlier ones.
    pub(super) fn in_doubt(&self) -> Doubt {
        match self.phase {
            Phase::Asking { .. } => self.doubt.and(self.sent_over),
            _ => self.doubt,
        }
    }

    pub(super) fn is_asked_by_task(&self) -> bool {
        matches!(self.phase, Phase::Asking { by_task: true, .. })
    }

    /// How many fences came with a grant whose request was sent at `asked`.
    pub(super) fn fences_asked_at(&self, asked: Moment) -> u32 {
        match self.phase {
            Phase::Asking { sent, fences, .. } if sent == asked => fences,
            _ => 1,
        }
    }

    /// The request in flight: when it was sent, and over which session.
    pub(super) fn unanswered(&self) -> Option<(Moment, SessionId)> {
        match (&self.phase, self.sent_over) {
            (Phase::Asking { sent, .. }, Some(session)) => Some((*sent, session)),
            _ => None,
        }
    }

    /// A request is sent.
    pub(super) fn request_sent(&mut self, now: Moment, by: Asker) {
        let Asker { session, timeout, by_task, fences } = by;
        self.sent_over = Some(session);
        self.phase = Phase::Asking { sent: now, fails_at: now + timeout, by_task, fences };
    }

    /// Its task calls, and would be told of a grant over this session.
    pub(super) fn set_own_session(&mut self, via: Option<Via>) {
        if let Some(Via { session, listener: Some(listener) }) = via {
            self.own_session = Some((session, listener));
        }
    }

    /// The session of its task's runtime is gone.
    pub(super) fn clear_own_session(&mut self) {
        self.own_session = None;
    }

    /// Its listener, and that listener's session: of the task's runtime, else the keeper's.
    pub(super) fn listener(&self, keepers: (ListenerId, Option<SessionId>)) -> (ListenerId, Option<SessionId>) {
        self.own_session.map_or(keepers, |(session, listener)| (listener, Some(session)))
    }

    /// Whether its task may look itself: over the session that carried every request before, or as the first.
    pub(super) fn may_look_over(&self, session: SessionId) -> bool {
        self.doubt == Doubt::Nowhere && self.sent_over.is_none_or(|sent_over| sent_over == session)
    }

    /// Whether it may be in the store's queue: a call whose time to wait is over does not enter it.
    pub(super) fn may_enqueue(&self, now: Moment) -> bool {
        self.entry.is_some() || now < self.wait_until
    }

    /// Whether it was told that the key is held, or entered the store's queue at once.
    pub(super) fn has_waited(&self) -> bool {
        self.entry.is_some() || self.answered
    }

    /// Grants are told over this session from now on, if over any. The last answer may be out of date, and a message
    /// may have been lost, so it looks.
    pub(super) fn push_session_changed(&mut self, now: Moment, push_session: Option<SessionId>) {
        self.push_session = push_session;
        self.reading = None;
        self.look_at_once(now);
    }

    /// Looks at once, if it rests or was deferred after an answer that the key is held.
    pub(super) fn look_at_once(&mut self, now: Moment) {
        if self.was_found_held() {
            self.phase = Phase::MayAsk { keeper_from: now };
        }
    }

    /// Whether the last answer was that the key is held.
    pub(super) fn was_found_held(&self) -> bool {
        matches!(self.phase, Phase::Resting { found_held: true, .. } | Phase::Deferred)
    }

    /// When the holder's lease expires at the latest, unless it is renewed, if the store said so and that is to come.
    pub(super) fn free_at(&self, now: Moment) -> Option<Moment> {
        self.held_until.filter(|&held_until| now < held_until)
    }

    /// Whether that answer is recent.
    pub(super) fn is_known_held(&self, now: Moment) -> bool {
        self.was_found_held() && now < self.known_held_until
    }

    /// Whether its look may be deferred: a periodic one, of a waiter with grant messages, and not its final one.
    pub(super) fn may_defer_look(&self, now: Moment) -> bool {
        let has_push = self.push_session.is_some() && self.reading.is_some();
        matches!(self.phase, Phase::Resting { found_held: true, .. }) && has_push && !self.is_final_look(now)
    }

    /// Goes on with a new token; its place in the store's queue is kept.
    pub(super) fn start_over(&mut self, now: Moment) {
        self.token_since = now;
        self.phase = Phase::InLocalQueue;
        self.sent_over = None;
        self.push_session = None;
        self.entry = None;
        self.reading = None;
        self.doubt = Doubt::Nowhere;
        self.longest_ttl = Duration::ZERO;
    }

    /// It is in the store's queue; the reply to what was sent at `sent` gave the store's clock.
    fn enqueued(&mut self, sent: Moment, clock: ClockReading) {
        self.queue_since.get_or_insert(clock.micros);
        self.reading = Some(Reading { sent, clock }.tighter(self.reading));
    }

    /// A lower bound on our time when the key was handed to it, at this reading of the store's clock. With no reading
    /// of the same clock to compare it with, all that is known is that it was not before its entry was sent.
    pub(super) fn earliest_hand_over(&self, clock: ClockReading) -> Moment {
        let enqueued = self.entry.as_ref().map_or(Moment::MIN, |&(_, sent)| sent);
        let bound = self.reading.and_then(|reading| reading.lower_bound(clock));
        bound.map_or(enqueued, |bound| bound.max(enqueued))
    }

    /// Whether nothing was ever sent for it, so that it may try to take a free lock without the queue.
    pub(super) fn never_asked(&self) -> bool {
        self.sent_over.is_none() && self.queue_since.is_none()
    }

    /// Whether the request that was sent at `sent` is the one in flight.
    pub(super) fn awaits(&self, sent: Moment) -> bool {
        matches!(self.phase, Phase::Asking { sent: current, .. } if current == sent)
    }

    /// The refusal when it gives up: `held` says whether the key was held meanwhile, `blocked` what kept the active
    /// waiter from an answer, and `free_at` until when the key is held at most.
    pub(super) fn give_up_refusal(&self, held: bool, blocked: Option<StoreError>, free_at: Option<Moment>) -> Refusal {
        match (&self.last_error, blocked) {
            (None, _) if self.answered => Refusal::Busy { free_at: free_at.or(self.held_until) },
            (None, None) if held => Refusal::Busy { free_at },
            (last_error, blocked) => {
                // An error that ended the connection says less than the refusal that caused it.
                let refused = blocked.as_ref().filter(|error| error.kind() == StoreErrorKind::Refused);
                let said = refused.or(last_error.as_ref()).or(blocked.as_ref());
                Refusal::Unavailable(said.cloned().unwrap_or_else(StoreError::no_answer))
            }
        }
    }

    /// The store answered that the key is held; the same sender asks again at once, unless the waiter
    /// [`rests`](Self::rest).
    pub(super) fn held_elsewhere(
        &mut self,
        now: Moment,
        sent: Moment,
        (held_for, clock): (Option<Duration>, Option<ClockReading>),
    ) {
        self.answered = true;
        self.held_until = held_for.map(|held_for| now + held_for).or(self.held_until);
        (self.failures, self.not_executed) = (0, 0);
        self.last_error = None;
        if let Some(clock) = clock {
            self.enqueued(sent, clock);
        }
        self.ask_again_at_once(now);
    }

    /// The same sender asks again at once.
    fn ask_again_at_once(&mut self, now: Moment) {
        self.phase = Phase::MayAsk { keeper_from: if self.is_asked_by_task() { now + TASK_HEAD_START } else { now } };
    }

    /// Its request was not executed; returns whether to send it again at once. It had no effect, so it is only sent
    /// again while its call wants it.
    pub(super) fn resend_not_executed(&mut self, now: Moment) -> bool {
        self.not_executed += 1;
        let may = self.not_executed <= MOST_RESENDS;
        if may {
            self.ask_again_at_once(now);
        }
        may
    }

    /// Its request failed. Whatever the error, a part of it may have taken effect.
    pub(super) fn failed(&mut self, now: Moment, token: Token, error: StoreError) {
        self.doubt = self.doubt.and(self.sent_over);
        self.last_error = Some(error);
        // The first retry is immediate.
        let pause = Backoff::OF_OPERATIONS.pause(token.seed(), self.failures);
        let until = if self.failures == 0 { now } else { now + pause };
        self.failures += 1;
        self.phase = Phase::Resting { until, found_held: false };
    }

    /// When to look next: earlier than `next`, if its time to wait would otherwise end on an old answer.
    fn next_look(&self, now: Moment, next: Moment) -> Moment {
        let last = self.wait_until - FINAL_LOOK;
        if next >= self.wait_until && self.known_held_until < self.wait_until && now < last { last } else { next }
    }

    /// Whether this is its final look.
    fn is_final_look(&self, now: Moment) -> bool {
        self.wait_until - FINAL_LOOK <= now
    }

    /// Rests until the next look: longer with grant messages than without.
    pub(super) fn rest(&mut self, now: Moment, token: Token, held_for: Duration, has_push: bool, waiters: usize) {
        self.looks += 1;
        self.known_held_until = now + known_held_for(held_for);
        let has_just_queued = self.entry.as_ref().is_some_and(|&(_, enqueued)| enqueued == self.last_look);
        let rest = if has_push {
            let (period, crowd) = (period(held_for, waiters), crowd_period(waiters));
            let rest = if has_just_queued && crowd == period {
                // Waiters that arrived together are spread over the period once, and stay spread.
                let shortest = self::period(held_for, 0);
                shortest + jitter(token.seed(), self.looks, period.saturating_sub(shortest))
            } else {
                period + jitter(token.seed(), self.looks, period / 4)
            };
            rest.min(self.queue_kept_for / 2)
        } else {
            let rest = LOOK_EVERY / 2 + jitter(token.seed(), self.looks, LOOK_EVERY);
            rest.min(held_for + Duration::from_millis(2)).max(SHORTEST_REST)
        };
        let until =
            if has_push && planted(Mutant::MessagesAlone) { Moment::MAX } else { self.next_look(now, now + rest) };
        self.phase = Phase::Resting { until, found_held: true };
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        for moment in [&mut self.arrived, &mut self.token_since, &mut self.wait_until, &mut self.give_up_at] {
            names.moment(moment);
        }
        self.phase.show_names(names);
        if let Some((entry, sent)) = &mut self.entry {
            entry.show_names(names);
            names.moment(sent);
        }
        self.queue_since.iter_mut().for_each(|since| names.clock(since));
        self.reading.iter_mut().for_each(|reading| reading.show_names(names));
        names.moment(&mut self.last_look);
        names.moment(&mut self.known_held_until);
        self.held_until.iter_mut().for_each(|until| names.told(until));
    }
}

/// Who sends a request, and how long its answer is awaited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) session: SessionId,
    pub(super) timeout: Duration,
    pub(super) by_task: bool,
    pub(super) fences: u32,
}

/// How long a waiter without grant messages counts as alive.
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
        let rest = |held_for, has_push| {
            let mut waiting = Waiting::new(now, terms, Duration::ZERO);
            waiting.rest(now, token, held_for, has_push, 1);
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
