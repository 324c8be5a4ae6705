//! A ticket that has no grant yet: whose turn it is, until when it may be refused, when it looks again.

use std::time::Duration;

use super::{Doubt, LineId, Refusal, Wait, jitter};
use crate::clock::Moment;
use crate::store::{StoreError, StoreErrorKind, Token};

/// How long a waiter rests between two looks, on average.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The shortest rest, however soon the holder's ttl ends.
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// The longest pause after trouble.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A ticket that has no grant yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) arrived: Moment,
    /// Since when it has its token; answers to earlier questions are about another.
    pub(super) since: Moment,
    /// Its place in the line.
    pub(super) order: u64,
    /// From when a busy key is a reason to give up.
    pub(super) busy_from: Moment,
    /// From when anything is.
    pub(super) time_up: Moment,
    pub(super) turn: Turn,
    /// What carried the last ask of this token; the token was never sent when there is none.
    pub(super) carrier: Option<LineId>,
    /// Earlier asks of this token.
    pub(super) doubt: Doubt,
    /// What went wrong, unless the store has answered since.
    pub(super) trouble: Option<StoreError>,
    pub(super) answered: bool,
    pub(super) tries: u32,
}

#[derive(Debug)]
pub(super) enum Turn {
    InLine {
        impatient: bool,
    },
    /// It occupies the line, and its task may ask; the keeper does from then on.
    MayAsk {
        keeper_from: Moment,
    },
    Asking {
        sent: Moment,
        fails_at: Moment,
        by_keeper: bool,
    },
    /// Until the next look, after being told that the key is held or after trouble.
    Resting {
        until: Moment,
        told_busy: bool,
    },
    /// It waits for the keeper to be connected.
    Parked,
    Refused(Refusal),
}

impl Waiting {
    pub(super) fn new(now: Moment, order: u64, wait: Wait, operation_timeout: Duration) -> Self {
        let (busy_from, time_up) = match wait {
            Wait::AtMost(wait) => (now + wait, now + wait.max(operation_timeout)),
            Wait::Forever => (Moment::MAX, Moment::MAX),
        };
        let turn = Turn::InLine { impatient: busy_from <= now };
        Self {
            arrived: now,
            since: now,
            order,
            busy_from,
            time_up,
            turn,
            carrier: None,
            doubt: Doubt::Nowhere,
            trouble: None,
            answered: false,
            tries: 0,
        }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self { turn: Turn::Refused(refusal), ..Self::new(Moment::MIN, 0, Wait::Forever, Duration::ZERO) }
    }

    pub(super) fn due(&self) -> Moment {
        match self.turn {
            Turn::InLine { impatient: false } => self.busy_from,
            Turn::InLine { impatient: true } | Turn::Parked => self.time_up,
            Turn::MayAsk { keeper_from } => keeper_from.min(self.time_up),
            Turn::Asking { fails_at, .. } => fails_at.min(self.time_up),
            Turn::Resting { until, told_busy: true } => until.min(self.busy_from),
            Turn::Resting { until, told_busy: false } => until.min(self.time_up),
            Turn::Refused(_) => Moment::MAX,
        }
    }

    /// The keeper is connected again.
    pub(super) fn hurry(&mut self, now: Moment) {
        if matches!(self.turn, Turn::Parked) {
            self.turn = Turn::MayAsk { keeper_from: now };
        }
    }

    /// The asks that may yet take effect: the one that is under way, if any, and earlier ones.
    pub(super) fn may_take_effect(&self) -> Doubt {
        match self.turn {
            Turn::Asking { .. } => self.doubt.and(self.carrier),
            _ => self.doubt,
        }
    }

    pub(super) fn is_by_keeper(&self) -> bool {
        matches!(self.turn, Turn::Asking { by_keeper: true, .. })
    }

    pub(super) fn is_current(&self, sent: Moment) -> bool {
        matches!(self.turn, Turn::Asking { sent: current, .. } if current == sent)
    }

    /// What to say when the time is up.
    pub(super) fn time_up_refusal(&self, blocked: Option<StoreError>) -> Refusal {
        if self.answered && self.trouble.is_none() {
            return Refusal::Busy;
        }
        Refusal::Unavailable(self.trouble.clone().or(blocked).unwrap_or_else(no_answer))
    }

    pub(super) fn pause(&mut self, now: Moment, token: Token) {
        // The first retry is at once; then 50 ms, 100 ms, .. up to a second, jittered over the second half.
        let pause = Duration::from_millis(25 << self.tries.min(6)).min(LONGEST_PAUSE / 2);
        let until = if self.tries == 0 { now } else { now + pause + jitter(token, self.tries, pause) };
        self.tries += 1;
        self.turn = Turn::Resting { until, told_busy: false };
    }

    pub(super) fn rest(&mut self, now: Moment, token: Token, held_for: Duration) {
        self.tries += 1;
        let rest = LOOK_EVERY / 2 + jitter(token, self.tries, LOOK_EVERY);
        let until = now + rest.min(held_for + Duration::from_millis(2)).max(SHORTEST_REST);
        self.turn = Turn::Resting { until, told_busy: true };
    }
}

/// Nothing came back within the operation time-out.
pub(crate) fn no_answer() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the store did not answer in time")
}
