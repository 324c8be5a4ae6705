//! What a key's state is told and says: to the task of a call, and to the keeper.

use std::time::Duration;

use crate::store::{
    Ask, Capabilities, Enqueue, ListenerId, LockKey, Look, LossReason, Moment, Release, Released, Renewal, Rotate,
    Rotated, StoreError, Token,
};

/// A call, a release or a renewal by hand: unique in its client, and in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

/// One session with the store, as whoever opens them numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A session, and the name under which the store tells of grants over it, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Via {
    pub session: SessionId,
    pub listener: Option<ListenerId>,
}

/// What a client is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    pub operation_timeout: Duration,
    /// Who hears of grants over the keeper's session.
    pub listener: ListenerId,
    /// Whether a lease may pass from one call to the next without asking the store.
    pub local_handover: bool,
    /// What the store claims; nothing else is sent.
    pub capabilities: Capabilities,
}

/// What is asked of a store for a token that has no grant yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// The first, by a token that was never sent.
    Ask(Ask),
    Look(Look),
    Enqueue(Enqueue),
}

impl Question {
    pub fn token(&self) -> Token {
        match self {
            Self::Ask(ask) => ask.token,
            Self::Look(look) => look.token,
            Self::Enqueue(enqueue) => enqueue.token,
        }
    }

    pub fn key(&self) -> &LockKey {
        match self {
            Self::Ask(ask) => &ask.key,
            Self::Look(look) => &look.key,
            Self::Enqueue(enqueue) => &enqueue.key,
        }
    }

    pub fn ttl(&self) -> Duration {
        match self {
            Self::Ask(ask) => ask.ttl,
            Self::Look(look) => look.ttl,
            Self::Enqueue(enqueue) => enqueue.ttl,
        }
    }
}

/// How a token is given back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReleaseRequest {
    Release(Release),
    /// To somebody else's waiter, if there is one, while one of ours stands in line behind.
    Rotate(Rotate),
}

impl ReleaseRequest {
    pub fn key(&self) -> &LockKey {
        match self {
            Self::Release(release) => &release.key,
            Self::Rotate(rotate) => &rotate.key,
        }
    }

    pub fn token(&self) -> Token {
        match self {
            Self::Release(release) => release.token,
            Self::Rotate(rotate) => rotate.token,
        }
    }
}

/// What that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseReply {
    Released(Released),
    Rotated(Rotated),
}

/// Why an acquire ends without a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Refusal {
    Busy,
    Unavailable(StoreError),
    ShuttingDown,
}

/// What the task of a call that has no lease does next.
#[derive(Debug)]
pub enum Step {
    /// Send this, then tell the answer.
    Send(Question),
    /// Go on with what was sent and is not answered yet.
    Sent,
    /// Stand by until woken.
    Stand,
    /// The lock is held, with this fence; no step of the body may start from `until` on, unless it is extended.
    Granted {
        fence: u64,
        until: Moment,
    },
    Refused(Refusal),
}

/// What the task that awaits a release does next.
#[derive(Debug)]
pub enum ReleaseStep {
    /// Send this, then tell the answer.
    Send(ReleaseRequest),
    /// Go on with what was sent and is not answered yet.
    Sent,
    /// Stand by until woken.
    Stand,
    /// It is over, or goes on without the task.
    Done(Result<Released, StoreError>),
}

/// What the task that renews by hand does next.
#[derive(Debug)]
pub enum ManualStep {
    /// Stand by until woken.
    Stand,
    Renewed,
    Failed(StoreError),
    Lost(LossReason),
}

/// What the keeper sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Job {
    /// For a call, over this session.
    Ask(Number, Question, SessionId),
    Renew(Renewal),
    /// Of this number; over the session that carried what it undoes, if that is still there.
    Release(Number, ReleaseRequest, Option<SessionId>),
}

/// What whoever holds the client does once it has let go of it. `C` stands for the task of a call and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<C> {
    /// Wake the task: its next step has changed.
    Wake(C),
    /// No step of the body may start from this moment on; never undoes a loss.
    Extend(C, Moment),
    /// No step of the body may start any more.
    Lose(C, LossReason),
    /// Something that was sent over this session has had no answer for too long.
    TimedOut(SessionId),
}
