//! A call without a grant, as a value: its requests, when it may be refused, when it looks again.

use std::time::Duration;

use super::doubt::Doubt;
use super::ids::SessionId;
use super::left_behind::LeftBehind;
use super::messages::{Refusal, Via};
use super::names::CallNames;
use super::overtaken::Overtaken;
use super::phase::Phase;
use crate::lease::{
    Backoff, FirstLease, QUEUE_KEPT_FOR, Reading, Terms, Wait, crowd_period, jitter, known_held_for, period,
};
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
/// How often the time that a task has to look at a grant is doubled at most.
const MOST_DOUBLINGS: u32 = 6;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) terms: Terms,
    pub(super) arrived: Moment,
    /// The last token of its own; its lease may have been another call's before, and have that one's.
    own_token: Token,
    /// From when on the keeper asks in the place of its task, if the task's own request is still without an answer.
    pub(super) overtake_at: Moment,
    /// The task's request that the keeper asked in place of.
    pub(super) overtaken: Option<Overtaken>,
    /// What it may have left on its way when it was passed over.
    pub(super) left_behind: Option<Box<LeftBehind>>,
    /// How often it was passed over, because its task did not look at a grant.
    passed_over: u32,
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

impl Waiting {
    pub(super) fn new(now: Moment, token: Token, terms: Terms, operation_timeout: Duration) -> Self {
        let (wait_until, give_up_at) = match terms.wait {
            Wait::AtMost(wait) => (now + wait, now + wait.max(operation_timeout)),
            Wait::Forever => (Moment::MAX, Moment::MAX),
        };
        Self {
            terms,
            arrived: now,
            own_token: token,
            overtake_at: Moment::MAX,
            overtaken: None,
            left_behind: None,
            passed_over: 0,
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
            Phase::Asking { fails_at, by_task, .. } => {
                let overtake_at = if by_task { self.overtake_at } else { Moment::MAX };
                fails_at.min(self.give_up_at).min(overtake_at)
            }
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

    /// Whether the request in flight went over this session.
    pub(super) fn asks_over(&self, session: SessionId) -> bool {
        self.unanswered().is_some_and(|(_, over)| over == session)
    }

    /// A request is sent.
    pub(super) fn request_sent(&mut self, now: Moment, by: Asker) {
        let Asker { session, timeout, by_task, fences } = by;
        self.sent_over = Some(session);
        self.phase = Phase::Asking { sent: now, fails_at: now + timeout, by_task, fences };
        self.overtake_at = Moment::MAX;
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

    /// The keeper asks in the place of its task. The task's request may still take effect.
    pub(super) fn overtake(&mut self) {
        self.overtake_at = Moment::MAX;
        let Some((sent, session)) = self.unanswered() else { return };
        self.overtaken = Some(Overtaken::new(sent, session));
        // Nobody may poll the runtime of that session, or listen.
        self.clear_own_session();
        self.doubt = self.doubt.and(Some(session));
    }

    /// Whether the keeper is to ask in the place of its task at once: nobody else has asked for longer than that.
    pub(super) fn is_to_be_overtaken(&self, now: Moment) -> bool {
        self.is_asked_by_task() && self.overtake_at <= now
    }

    /// Its task is polled, and has no answer to its own request; returns the session if that tells that it is silent.
    pub(super) fn polled_without_answer(&mut self) -> Option<SessionId> {
        Overtaken::silent_session(&mut self.overtaken, |overtaken| overtaken.is_polled = true)
    }

    /// The keeper's request was answered, by the store or by an error; returns as above.
    pub(super) fn keeper_answered(&mut self) -> Option<SessionId> {
        Overtaken::silent_session(&mut self.overtaken, |overtaken| overtaken.is_answered = true)
    }

    /// Whether its task may look itself: over the session that carried every request before, or as the first.
    pub(super) fn may_look_over(&self, session: SessionId) -> bool {
        self.doubt == Doubt::Nowhere && self.sent_over.is_none_or(|sent_over| sent_over == session)
    }

    /// Whether it may be in the store's queue: a call whose time to wait is over does not enter it.
    pub(super) fn may_enqueue(&self, now: Moment) -> bool {
        self.entry.is_some() || now < self.wait_until
    }

    /// The session over which it was to be told of its grant, once it was confirmed that it is in the store's queue.
    pub(super) fn awaits_message(&self) -> Option<SessionId> {
        self.push_session.filter(|_| self.reading.is_some())
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

    /// A token that it never had.
    pub(super) fn next_token(&mut self) -> Token {
        self.own_token = self.own_token.successor();
        self.own_token
    }

    /// How long its task may take to look at a grant: longer each time, so that a slow task gets there in the end.
    pub(super) fn patience(&self, first_lease: &FirstLease) -> Duration {
        first_lease.patience() * (1 << self.passed_over.min(MOST_DOUBLINGS))
    }

    /// The same for a grant that comes now: the task was given half of that if the keeper has asked in its place.
    pub(super) fn patience_from_grant(&self, first_lease: &FirstLease) -> Duration {
        self.patience(first_lease) / if self.overtaken.is_some() { 2 } else { 1 }
    }

    /// Its task did not look at a grant: nothing is sent for it until it is polled, and what was answered is forgotten.
    pub(super) fn pass_over(&mut self) {
        self.passed_over += 1;
        (self.answered, self.last_error) = (false, None);
    }

    /// It is asked for once more, however late it is: its task was not polled, or the program stood still.
    pub(super) fn come_back(&mut self, now: Moment, operation_timeout: Duration) {
        self.give_up_at = self.give_up_at.max(now + operation_timeout);
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
        self.overtaken = None;
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

    /// Whether its last request failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
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
        names.token(&mut self.own_token);
        self.phase.show_names(names);
        names.moment(&mut self.overtake_at);
        self.overtaken.iter_mut().for_each(|overtaken| overtaken.show_names(names));
        self.left_behind.iter_mut().for_each(|left| left.show_names(names));
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
mod tests;
