//! A token that is being given back, as a value: how far that is on its way, and until when it is worth a command.
//!
//! Must stay true: no key of the token is left when it has become pointless. Absent on purpose: who sends it, and what an
//! answer means (`release`).

use std::time::Duration;

use super::doubt::Doubt;
use super::ids::{Number, SessionId};
use crate::lease::Backoff;
use crate::store::{Entry, LockKey, Moment, Release, Released, StoreError, Token};

/// For how long a place in the queue is given back at least, so that it is tried more than once: it outlasts a short ttl.
const LEAVES_FOR: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Releasing<C> {
    /// The call's whose lease it was, or one of its own.
    pub(super) number: Number,
    /// None if no task of ours held it.
    pub(super) caller: Option<C>,
    pub(super) token: Token,
    pub(super) progress: Progress,
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
    /// Whether the key may pass to somebody else's waiter while one of ours stands in line behind, in one command.
    pub(super) may_rotate: bool,
    /// That is under way.
    pub(super) rotating: Option<Rotating>,
    /// Until when a task awaits it.
    pub(super) wanted_until: Option<Moment>,
    /// Over which session the task's own had no answer when the keeper took it over.
    pub(super) silent: Option<SessionId>,
    pub(super) tries: u32,
    /// How many releases before this one were answered.
    pub(super) repeats: u32,
}

/// What a release means to others of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// Calls for the key wait for it.
    HoldsQueue,
    /// Nobody does.
    Apart,
    /// Nobody does, and a message led to it, which may be a stranger's.
    HandedBack,
}

/// A rotation that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Rotating {
    /// Who stands next in this process.
    pub(super) next: Number,
    pub(super) sent: Moment,
}

/// How far a release is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Progress {
    /// The awaiting task may send it by its own session.
    Own,
    /// The awaiting task has sent it, over its own session. From then on the keeper does, too: that session's runtime may
    /// not be polled any more.
    SentByTask {
        session: SessionId,
        until: Moment,
    },
    /// The keeper sends it then.
    Due(Moment),
    /// The keeper has sent it, and answers by then.
    SentByKeeper(Moment),
    /// It waits for the keeper to have a session.
    Parked,
    Over(Result<Released, StoreError>),
}

impl<C> Releasing<C> {
    /// Gives back what nobody holds: a question that may have taken effect, a grant that nobody saw.
    pub(super) fn orphan(now: Moment, number: Number, token: Token, what: Orphan) -> Self {
        let Orphan { ttl, doubt, leave } = what;
        let lasts = if leave.is_some() { ttl.max(LEAVES_FOR) } else { ttl };
        Self {
            number,
            caller: None,
            token,
            progress: Progress::Due(now),
            doubt,
            unanswered: false,
            keep_until: Moment::MIN,
            pointless: now + lasts,
            longest_ttl: ttl,
            standing: Standing::HoldsQueue,
            leave,
            may_rotate: false,
            rotating: None,
            wanted_until: None,
            silent: None,
            tries: 0,
            repeats: 0,
        }
    }

    /// Gives back a grant that was told of and that nobody waited for.
    pub(super) fn handed_back(now: Moment, number: Number, token: Token, ttl: Duration) -> Self {
        let what = Orphan { ttl, doubt: Doubt::Nowhere, leave: None };
        Self { standing: Standing::HandedBack, ..Self::orphan(now, number, token, what) }
    }

    /// A lease that went to the next holder without a word to the store; its task has yet to hear.
    pub(super) fn passed_on(now: Moment, number: Number, caller: C, token: Token) -> Self {
        let what = Orphan { ttl: Duration::ZERO, doubt: Doubt::Nowhere, leave: None };
        Self {
            caller: Some(caller),
            progress: Progress::Over(Ok(Released::Freed)),
            standing: Standing::Apart,
            wanted_until: Some(Moment::MAX),
            ..Self::orphan(now, number, token, what)
        }
    }

    /// The same once more, for a question that arrives late; nobody waits for that one.
    pub(super) fn once_more(&self, now: Moment, number: Number, at: Moment) -> Self {
        let what = Orphan { ttl: Duration::ZERO, doubt: Doubt::Somewhere, leave: self.leave.clone() };
        Self {
            progress: Progress::Due(at),
            pointless: self.pointless.max(at + Duration::from_nanos(1)),
            longest_ttl: self.longest_ttl,
            standing: Standing::Apart,
            keep_until: self.keep_until,
            repeats: self.repeats + 1,
            ..Self::orphan(now, number, self.token, what)
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.progress, Progress::Over(_))
    }

    /// Whether a message led to it, which may be a stranger's.
    pub(super) fn is_handed_back(&self) -> bool {
        self.standing == Standing::HandedBack
    }

    pub(super) fn holds_queue(&self) -> bool {
        self.standing == Standing::HoldsQueue
    }

    /// The rotation that was answered, and whether nothing else was asked for since.
    pub(super) fn take_rotation(&mut self) -> Option<(Rotating, bool)> {
        let rotating = self.rotating.take()?;
        Some((rotating, matches!(self.progress, Progress::SentByTask { .. } | Progress::SentByKeeper(_))))
    }

    /// The key may last for so long from now on: something that asks for it is sent, or had no answer.
    pub(super) fn may_last(&mut self, now: Moment, ttl: Duration) {
        self.longest_ttl = self.longest_ttl.max(ttl);
        self.pointless = self.pointless.max(now + self.longest_ttl);
    }

    /// There is no later: what was put off is due.
    pub(super) fn close(&mut self, now: Moment) {
        if let Progress::Due(at) = &mut self.progress {
            *at = now.min(*at);
        }
    }

    /// The keeper sends it now in the place of its task, if that has not been answered.
    pub(super) fn take_over(&mut self, now: Moment) -> bool {
        let of_task = matches!(self.progress, Progress::Own | Progress::SentByTask { .. });
        if let Progress::SentByTask { session, .. } = self.progress {
            self.unanswered = true;
            self.silent = Some(session);
        }
        if of_task {
            self.progress = Progress::Due(now);
        }
        of_task
    }

    /// It had no good answer, and is sent again after a pause: at once after the first try. Comes back with when.
    pub(super) fn failed(&mut self, now: Moment) -> Moment {
        // Whatever carried the question is in trouble, so that it may come later than the next release.
        self.doubt = self.doubt.without_session();
        let pause = Backoff::OF_OPERATIONS.pause(self.token.seed(), self.tries);
        let at = if self.tries == 0 { now } else { now + pause };
        self.tries += 1;
        self.progress = Progress::Due(at);
        at
    }

    pub(super) fn due(&self) -> Moment {
        let wanted_until = self.wanted_until.unwrap_or(Moment::MAX);
        match self.progress {
            Progress::Own => wanted_until,
            Progress::SentByTask { until, .. } => until.min(wanted_until),
            Progress::Due(at) => at.min(wanted_until),
            Progress::SentByKeeper(fails_at) => fails_at.min(wanted_until),
            Progress::Parked => self.pointless.min(wanted_until),
            Progress::Over(_) => Moment::MAX,
        }
    }

    /// The keeper has a session again.
    pub(super) fn unpark(&mut self, now: Moment) {
        if matches!(self.progress, Progress::Parked) {
            self.progress = Progress::Due(now);
        }
    }

    /// What is sent of it.
    pub(super) fn request(&self, now: Moment, key: &LockKey, contended: bool) -> Release {
        let keep = self.keep_until.since(now);
        // Whole milliseconds, rounded up: "at least this long".
        let keep = Duration::from_millis(u64::try_from(keep.as_micros().div_ceil(1000)).unwrap_or(u64::MAX));
        let (key, token, leave) = (key.clone(), self.token, self.leave.clone());
        Release { key, token, keep: (!keep.is_zero()).then_some(keep), leave, contended }
    }
}

/// What is given back that nobody holds.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) ttl: Duration,
    pub(super) doubt: Doubt,
    pub(super) leave: Option<Entry>,
}
