//! A token under release, as a value: how far it is, and when it becomes pointless.
//!
//! Must stay true: when a release has become pointless, no key of its token is left. Absent on purpose: who sends it,
//! and what an answer means (`release`).

use std::time::Duration;

use super::doubt::Doubt;
use super::ids::{Number, SessionId};
use super::names::CallNames;
use crate::lease::Backoff;
use crate::store::{Entry, Kind, LockKey, Moment, Release, Released, StoreError, Token};

/// The least time for which a queue entry is given back: a short ttl alone would not leave time to try twice.
const LEAVES_FOR: Duration = Duration::from_secs(15);

/// How often a release is repeated while a request for its token may still arrive. Each repetition waits for an
/// operation time-out after the previous answer. Two, because a clock that leaps forward may cut one of these waits
/// short.
pub(super) const REPEATS: u32 = 2;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Releasing<C> {
    /// That of the call whose lease it was, or one of its own.
    pub(super) number: Number,
    /// None if no task of ours held it.
    pub(super) caller: Option<C>,
    pub(super) token: Token,
    /// Beside whom it was held, or was to be.
    pub(super) kind: Kind,
    pub(super) progress: Progress,
    /// Requests that may still take effect, and have to be undone too.
    pub(super) doubt: Doubt,
    /// An earlier release had no answer, so that "not ours" may mean that it worked.
    pub(super) unanswered: bool,
    /// When `min_hold` is over, or the period of `once` if it is `done`.
    pub(super) keep_until: Moment,
    pub(super) done: bool,
    /// From then on no key of this token can be left, and a queue entry is not worth a request.
    pub(super) pointless_from: Moment,
    /// The longest ttl that was asked for under the token.
    pub(super) longest_ttl: Duration,
    pub(super) class: ReleaseClass,
    /// The token's entry, which may be in the store's queue again.
    pub(super) leave: Option<Box<Entry>>,
    /// Whether one request may both hand the key to another process's waiter and enqueue one of ours.
    pub(super) may_rotate: bool,
    /// The rotation in flight.
    pub(super) rotating: Option<Rotating>,
    /// Until when a task awaits it.
    pub(super) awaited_until: Option<Moment>,
    /// The session over which the task's release had no answer when the keeper took over.
    pub(super) silent_session: Option<SessionId>,
    pub(super) tries: u32,
    /// How many releases before this one were answered.
    pub(super) repeats: u32,
}

/// What a release means to other calls of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ReleaseClass {
    /// Calls for the key wait for it.
    Blocking,
    /// Nobody waits for it.
    Background,
    /// Nobody waits for it, and the message that led to it may be forged.
    Unsolicited,
}

/// A rotation in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Rotating {
    /// The local waiter that it enqueues.
    pub(super) next: Number,
    pub(super) sent: Moment,
}

/// How far a release is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Progress {
    /// The awaiting task may send it over its runtime's session.
    TaskMaySend,
    /// The awaiting task has sent it over its runtime's session. The keeper sends it too after `until`: that runtime
    /// may never be polled again.
    SentByTask {
        session: SessionId,
        until: Moment,
    },
    /// The keeper sends it at that moment.
    Due(Moment),
    /// The keeper has sent it, and answers by then.
    SentByKeeper(Moment),
    /// It waits until the keeper has a session.
    Parked,
    Finished(Result<Released, StoreError>),
}

impl<C> Releasing<C> {
    /// Gives back what no call holds: a request that may have taken effect, or a grant that no task saw.
    pub(super) fn orphan(now: Moment, number: Number, token: Token, what: Orphan) -> Self {
        let Orphan { kind, ttl, doubt, leave } = what;
        let lasts = if leave.is_some() { ttl.max(LEAVES_FOR) } else { ttl };
        Self {
            number,
            caller: None,
            token,
            kind,
            progress: Progress::Due(now),
            doubt,
            unanswered: false,
            keep_until: Moment::MIN,
            done: false,
            pointless_from: now + lasts,
            longest_ttl: ttl,
            class: ReleaseClass::Blocking,
            leave,
            may_rotate: false,
            rotating: None,
            awaited_until: None,
            silent_session: None,
            tries: 0,
            repeats: 0,
        }
    }

    /// Gives back a grant from a message that no call waited for.
    pub(super) fn unsolicited(now: Moment, number: Number, token: Token, ttl: Duration) -> Self {
        let what = Orphan { kind: Kind::Exclusive, ttl, doubt: Doubt::Nowhere, leave: None };
        Self { class: ReleaseClass::Unsolicited, ..Self::orphan(now, number, token, what) }
    }

    /// A lease that was handed over locally: its task is still to be told that the release is done.
    pub(super) fn handed_over_locally(now: Moment, number: Number, caller: C, token: Token) -> Self {
        let what = Orphan { kind: Kind::Exclusive, ttl: Duration::ZERO, doubt: Doubt::Nowhere, leave: None };
        Self {
            caller: Some(caller),
            progress: Progress::Finished(Ok(Released::Freed)),
            class: ReleaseClass::Background,
            awaited_until: Some(Moment::MAX),
            ..Self::orphan(now, number, token, what)
        }
    }

    /// Repeats it, for a request that arrives late; nobody awaits that one.
    pub(super) fn repeat(&self, now: Moment, number: Number, at: Moment) -> Self {
        let (kind, leave) = (self.kind, self.leave.clone());
        let what = Orphan { kind, ttl: Duration::ZERO, doubt: Doubt::Somewhere, leave };
        Self {
            progress: Progress::Due(at),
            pointless_from: self.pointless_from.max(at + Duration::from_nanos(1)),
            longest_ttl: self.longest_ttl,
            class: ReleaseClass::Background,
            keep_until: self.keep_until,
            done: self.done,
            repeats: self.repeats + 1,
            ..Self::orphan(now, number, self.token, what)
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        matches!(self.progress, Progress::Finished(_))
    }

    /// Whether it began with a message that may be forged.
    pub(super) fn is_unsolicited(&self) -> bool {
        self.class == ReleaseClass::Unsolicited
    }

    pub(super) fn blocks_queue(&self) -> bool {
        self.class == ReleaseClass::Blocking
    }

    /// Whether a call of this kind waits for it. One who shares comes in beside one who shared, as well as behind it.
    pub(super) fn blocks(&self, kind: Kind) -> bool {
        self.blocks_queue() && (self.kind, kind) != (Kind::Shared, Kind::Shared)
    }

    /// Takes the rotation that was answered, and whether it is still the latest request.
    pub(super) fn take_rotation(&mut self) -> Option<(Rotating, bool)> {
        let rotating = self.rotating.take()?;
        Some((rotating, matches!(self.progress, Progress::SentByTask { .. } | Progress::SentByKeeper(_))))
    }

    /// The key may last for `ttl` from now on, because a request for that is sent or had no answer.
    pub(super) fn key_may_last(&mut self, now: Moment, ttl: Duration) {
        self.longest_ttl = self.longest_ttl.max(ttl);
        self.pointless_from = self.pointless_from.max(now + self.longest_ttl);
    }

    /// A request for the token is still in flight: it may make the key last from later on, for as long as a release is
    /// repeated for it.
    pub(super) fn request_in_flight(&mut self, operation_timeout: Duration) {
        self.pointless_from = self.pointless_from + operation_timeout * REPEATS;
    }

    /// The client closes: a repetition that was scheduled for later is due now.
    pub(super) fn close(&mut self, now: Moment) {
        if let Progress::Due(at) = &mut self.progress {
            *at = now.min(*at);
        }
    }

    /// The keeper sends it in place of its task, if it was the task's and has no answer; returns whether it was.
    pub(super) fn take_over(&mut self, now: Moment) -> bool {
        let of_task = matches!(self.progress, Progress::TaskMaySend | Progress::SentByTask { .. });
        if let Progress::SentByTask { session, .. } = self.progress {
            self.unanswered = true;
            self.silent_session = Some(session);
        }
        if of_task {
            self.progress = Progress::Due(now);
        }
        of_task
    }

    /// It failed, and is sent again: at once after the first try, else after a pause. Returns when.
    pub(super) fn failed(&mut self, now: Moment) -> Moment {
        // The session that carried the request failed too, so the request may arrive after the next release.
        self.doubt = self.doubt.without_session();
        let pause = Backoff::OF_OPERATIONS.pause(self.token.seed(), self.tries);
        let at = if self.tries == 0 { now } else { now + pause };
        self.tries += 1;
        self.progress = Progress::Due(at);
        at
    }

    pub(super) fn due(&self) -> Moment {
        let awaited_until = self.awaited_until.unwrap_or(Moment::MAX);
        match self.progress {
            Progress::TaskMaySend => awaited_until,
            Progress::SentByTask { until, .. } => until.min(awaited_until),
            Progress::Due(at) => at.min(awaited_until),
            Progress::SentByKeeper(fails_at) => fails_at.min(awaited_until),
            Progress::Parked => self.pointless_from.min(awaited_until),
            Progress::Finished(_) => Moment::MAX,
        }
    }

    /// The keeper has a session again.
    pub(super) fn unpark(&mut self, now: Moment) {
        if matches!(self.progress, Progress::Parked) {
            self.progress = Progress::Due(now);
        }
    }

    /// The request to send.
    pub(super) fn request(&self, now: Moment, key: &LockKey, contended: bool) -> Release {
        let keep = self.keep_until.since(now);
        // Rounded up to whole milliseconds: `min_hold` means "at least this long".
        let keep = Duration::from_millis(u64::try_from(keep.as_micros().div_ceil(1000)).unwrap_or(u64::MAX));
        let (key, token, leave) = (key.clone(), self.token, self.leave.clone());
        let keep = (!keep.is_zero()).then_some(keep);
        Release { key, token, keep, done: self.done && keep.is_some(), leave, contended, kind: self.kind }
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        names.number(&mut self.number);
        names.token(&mut self.token);
        self.progress.show_names(names);
        names.moment(&mut self.keep_until);
        names.moment(&mut self.pointless_from);
        self.leave.iter_mut().for_each(|entry| entry.show_names(names));
        if let Some(Rotating { next, sent }) = &mut self.rotating {
            names.number(next);
            names.moment(sent);
        }
        self.awaited_until.iter_mut().for_each(|until| names.moment(until));
    }
}

impl Progress {
    fn show_names(&mut self, names: &mut impl CallNames) {
        match self {
            Self::SentByTask { until: moment, .. } | Self::Due(moment) | Self::SentByKeeper(moment) => {
                names.moment(moment);
            }
            Self::TaskMaySend | Self::Parked | Self::Finished(_) => {}
        }
    }
}

/// What no call holds and is given back.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) kind: Kind,
    pub(super) ttl: Duration,
    pub(super) doubt: Doubt,
    pub(super) leave: Option<Box<Entry>>,
}
