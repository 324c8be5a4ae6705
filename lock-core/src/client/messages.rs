//! What a core is told, and what it says: to a task, to whoever holds it, and to the keeper.

use std::time::Duration;

use crate::store::LockKey;
use crate::store::LossReason;
use crate::store::Moment;
use crate::store::{Ask, ListenerId, Look, Release, Released, Renewal, Rotate, Rotated, StoreError};

/// One acquire, from its arrival until its release is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId {
    pub(super) arrival: u32,
    pub(super) place: u32,
}

impl TicketId {
    /// Whether it came after that arrival; numbers of arrivals come round.
    pub(super) fn came_after(self, arrival: u32) -> bool {
        (1..1 << 31).contains(&self.arrival.wrapping_sub(arrival))
    }
}

/// One session with the store, as whoever feeds the core numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u64);

/// A session, and the name under which the store tells of grants over it, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via {
    pub line: SessionId,
    pub listener: Option<ListenerId>,
}

/// What an acquire asks for.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub ttl: Duration,
    pub wait: Wait,
    pub renew: bool,
    pub max_hold: Option<Duration>,
    pub min_hold: Option<Duration>,
}

/// How long to wait for a lock that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    AtMost(Duration),
    Forever,
}

/// Why an acquire ends without a grant.
#[derive(Debug, Clone)]
pub enum Refusal {
    Busy,
    Unavailable(StoreError),
    ShuttingDown,
}

/// What the task of an acquire does next.
#[derive(Debug)]
pub enum Step {
    /// Send this, then tell the answer.
    Ask(Ask),
    /// Send this, then tell the answer.
    Look(Look),
    /// Go on with the ask that is under way.
    Asking,
    /// Stand by until woken.
    Stand,
    /// The lock is held, with this fence; no step of the body may start from `until` on, unless it is extended.
    Granted {
        fence: u64,
        until: Moment,
    },
    Refused(Refusal),
}

/// What whoever holds the core does once it has let go of it. `S` stands for a task and its body.
#[derive(Debug)]
pub enum Action<S> {
    /// Wake the task: its next step has changed.
    Wake(S),
    /// No step of the body may start from this moment on; never undoes a loss.
    Extend(S, Moment),
    /// No step of the body may start any more.
    Lose(S, LossReason),
    /// Something that was sent on this line has had no answer for too long.
    TimedOut(SessionId),
}

/// What the keeper sends.
#[derive(Debug)]
pub enum Job {
    /// A first ask, by a token that was never sent.
    Acquire(TicketId, Ask),
    /// An ask by a token that may have been sent, or that waits; on this line.
    Look(TicketId, Look, SessionId),
    Renew(TicketId, Renewal),
    /// On the line that carried the ask, if it is still there.
    Give(TicketId, Giving, Option<SessionId>),
}

/// How a token is given back.
#[derive(Debug, Clone)]
pub enum Giving {
    Release(Release),
    /// To somebody else's waiter, if there is one, while one of ours stands next.
    Rotate(Rotate),
}

impl Giving {
    pub fn key(&self) -> &LockKey {
        match self {
            Self::Release(release) => &release.key,
            Self::Rotate(rotation) => &rotation.key,
        }
    }
}

/// What that was answered.
#[derive(Debug, Clone, Copy)]
pub enum Given {
    Released(Released),
    Rotated(Rotated),
}

/// What a core is told once.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub operation_timeout: Duration,
    /// Who hears of grants over the keeper's line.
    pub listener: ListenerId,
    /// Whether a lease may pass from one ticket to the next without asking the store.
    pub local_handover: bool,
}

/// How the leases came that were waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub by_message: u64,
    pub by_look: u64,
    pub locally: u64,
}
