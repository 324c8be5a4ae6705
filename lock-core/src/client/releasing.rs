//! A token that is being given back, as a value: how far that is on its way, and until when it is worth a command.
//!
//! Must stay true: no key of the token is left when it has become pointless. Absent on purpose: who sends it, and what an
//! answer means (`release`).

use std::time::Duration;

use super::{Doubt, SessionId, TicketId};
use crate::store::Moment;
use crate::store::{Entry, Release, Released, StoreError, Token};

/// For how long a place in the queue is given back at least, so that it is tried more than once: it outlasts a short ttl.
const LEAVES_FOR: Duration = Duration::from_secs(15);

/// A token that is being given back.
#[derive(Debug)]
pub(super) struct Releasing {
    pub(super) errand: Errand,
    /// What may yet take effect, and has to be undone too.
    pub(super) doubt: Doubt,
    /// An earlier release had no answer, so that "not ours" may mean that it worked.
    pub(super) unanswered: bool,
    /// When `min_hold` is over.
    pub(super) keep_until: Moment,
    /// No key of this token can be left from then on, and no place in the queue worth a command.
    pub(super) pointless: Moment,
    /// The longest ttl that was asked for under the token.
    pub(super) longest_ttl: Duration,
    pub(super) standing: Standing,
    /// The token's place in the store's queue, which it may have again.
    pub(super) leave: Option<Entry>,
    /// Whether the key may pass to somebody else's waiter while one of ours queues behind, in one command.
    pub(super) may_rotation: bool,
    /// That is under way.
    pub(super) rotation: Option<Rotating>,
    /// Until when a task awaits it.
    pub(super) wanted_until: Option<Moment>,
    /// Over which line the task's own had no answer when the keeper took it over.
    pub(super) silent: Option<SessionId>,
    pub(super) tries: u32,
    /// How many releases before this one were answered.
    pub(super) repeats: u32,
}

/// What a release means to others of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Acquires of the key wait for it.
    HoldsLine,
    /// Nobody does.
    Apart,
    /// Nobody does, and a message led to it, which may be a stranger's.
    HandedBack,
}

/// A rotation that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotating {
    /// Who stands next in this process.
    pub(super) next: TicketId,
    pub(super) sent: Moment,
}

/// How far a release is on its way.
#[derive(Debug)]
pub(super) enum Errand {
    /// The awaiting task may send it by its own session.
    Own,
    /// The awaiting task has sent it, on its own line. From then on the keeper does, too: that line's runtime may not be
    /// polled any more.
    SentByTask {
        line: SessionId,
        until: Moment,
    },
    /// The keeper sends it then.
    Due(Moment),
    /// The keeper has sent it, and answers by then.
    SentByKeeper(Moment),
    /// It waits for the keeper to be connected.
    Parked,
    Over(Result<Released, StoreError>),
}

impl Releasing {
    /// Gives back what nobody holds: an ask that may have taken effect, a grant that nobody saw.
    pub(super) fn orphan(now: Moment, ttl: Duration, doubt: Doubt, leave: Option<Entry>) -> Self {
        let lasts = if leave.is_some() { ttl.max(LEAVES_FOR) } else { ttl };
        Self {
            errand: Errand::Due(now),
            doubt,
            unanswered: false,
            keep_until: Moment::MIN,
            pointless: now + lasts,
            longest_ttl: ttl,
            standing: Standing::HoldsLine,
            leave,
            may_rotation: false,
            rotation: None,
            wanted_until: None,
            silent: None,
            tries: 0,
            repeats: 0,
        }
    }

    /// Gives back a grant that was told of and that nobody waited for.
    pub(super) fn handed_back(now: Moment, ttl: Duration) -> Self {
        Self { standing: Standing::HandedBack, ..Self::orphan(now, ttl, Doubt::Nowhere, None) }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.errand, Errand::Over(_))
    }

    /// Whether a message led to it, which may be a stranger's.
    pub(super) fn is_handed_back(&self) -> bool {
        self.standing == Standing::HandedBack
    }

    /// A lease that went to the next holder without a word to the store.
    pub(super) fn passed_on(now: Moment, is_wanted: bool) -> Self {
        Self {
            errand: Errand::Over(Ok(Released::Freed)),
            standing: Standing::Apart,
            wanted_until: is_wanted.then_some(Moment::MAX),
            ..Self::orphan(now, Duration::ZERO, Doubt::Nowhere, None)
        }
    }

    pub(super) fn holds_line(&self) -> bool {
        self.standing == Standing::HoldsLine
    }

    /// The rotation that was answered, and whether nothing else was asked for since.
    pub(super) fn take_rotation(&mut self) -> Option<(Rotating, bool)> {
        let rotation = self.rotation.take()?;
        Some((rotation, matches!(self.errand, Errand::SentByTask { .. } | Errand::SentByKeeper(_))))
    }

    /// The longest ttl that was asked for under the token.
    pub(super) fn longest_ttl(&self) -> Duration {
        self.longest_ttl
    }

    /// The key may last for so long from now on: something that asks for it is sent, or had no answer.
    pub(super) fn may_last(&mut self, now: Moment, ttl: Duration) {
        self.longest_ttl = self.longest_ttl.max(ttl);
        self.pointless = self.pointless.max(now + self.longest_ttl);
    }

    pub(super) fn doubt(&self) -> Doubt {
        self.doubt
    }

    /// There is no later: what was put off is due.
    pub(super) fn close(&mut self, now: Moment) {
        if let Errand::Due(at) = &mut self.errand {
            *at = now.min(*at);
        }
    }

    /// The keeper sends it now in the place of its task, if that has not been answered.
    pub(super) fn take_over(&mut self, now: Moment) -> bool {
        let of_task = matches!(self.errand, Errand::Own | Errand::SentByTask { .. });
        if let Errand::SentByTask { line, .. } = self.errand {
            self.unanswered = true;
            self.silent = Some(line);
        }
        if of_task {
            self.errand = Errand::Due(now);
        }
        of_task
    }

    /// A plain release is due, by the keeper.
    pub(super) fn give_plainly(&mut self, now: Moment) {
        self.errand = Errand::Due(now);
    }

    pub(super) fn due(&self) -> Moment {
        let wanted_until = self.wanted_until.unwrap_or(Moment::MAX);
        match self.errand {
            Errand::Own => wanted_until,
            Errand::SentByTask { until, .. } => until.min(wanted_until),
            Errand::Due(at) => at.min(wanted_until),
            Errand::SentByKeeper(fails_at) => fails_at.min(wanted_until),
            Errand::Parked => self.pointless.min(wanted_until),
            Errand::Over(_) => Moment::MAX,
        }
    }

    /// The keeper is connected again.
    pub(super) fn hurry(&mut self, now: Moment) {
        if matches!(self.errand, Errand::Parked) {
            self.errand = Errand::Due(now);
        }
    }

    pub(super) fn order(&self, now: Moment, key: &crate::store::LockKey, token: Token, contended: bool) -> Release {
        let keep = self.keep_until.since(now);
        // Whole milliseconds, rounded up: "at least this long".
        let keep = Duration::from_millis(u64::try_from(keep.as_micros().div_ceil(1000)).unwrap_or(u64::MAX));
        let (key, leave) = (key.clone(), self.leave.clone());
        Release { key, token, keep: (!keep.is_zero()).then_some(keep), leave, contended }
    }
}
