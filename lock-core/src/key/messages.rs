//! What goes into a key's state and comes out of it: for the task of a call, and for the keeper.

use std::time::Duration;

use super::ids::{Number, SessionId};
use super::names::CallNames;
use crate::store::{
    Ask, Capabilities, Downgrade, Enqueue, ListenerId, LockKey, Look, LossReason, Moment, Names, Release, Released,
    Renewal, Rotate, Rotated, StoreError, Token,
};

/// A session, and the listener that the store tells of grants over it, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Via {
    pub session: SessionId,
    pub listener: Option<ListenerId>,
}

/// The settings of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settings {
    pub operation_timeout: Duration,
    /// Who is told of grants over the keeper's session.
    pub listener: ListenerId,
    /// Whether a lease may go from one call to the next without asking the store.
    pub local_handover: bool,
    /// What the store claims; nothing else is sent.
    pub capabilities: Capabilities,
}

/// A request to the store for a token without a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AcquireRequest {
    /// The first request for a token.
    Ask(Ask),
    Look(Look),
    /// Boxed like a rotation, so that the common requests, which are small, are cheap to pass on.
    Enqueue(Box<Enqueue>),
}

impl AcquireRequest {
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

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl Names) {
        match self {
            Self::Ask(ask) => names.token(&mut ask.token),
            Self::Look(look) => names.token(&mut look.token),
            Self::Enqueue(enqueue) => {
                names.token(&mut enqueue.token);
                enqueue.entry.show_names(names);
            }
        }
    }
}

/// How a token is given back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReleaseRequest {
    Release(Release),
    /// Hands the key to another process's waiter, if there is one, and enqueues one of ours behind it.
    Rotate(Box<Rotate>),
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

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl Names) {
        match self {
            Self::Release(release) => {
                names.token(&mut release.token);
                release.leave.iter_mut().for_each(|entry| entry.show_names(names));
            }
            Self::Rotate(rotate) => {
                names.token(&mut rotate.token);
                names.token(&mut rotate.next);
                rotate.entry.show_names(names);
            }
        }
    }
}

/// The answer to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseReply {
    Released(Released),
    Rotated(Rotated),
}

/// Why an acquire ends without a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Somebody else holds the key: until then at most, unless it is renewed, as far as that was learnt.
    Busy {
        free_at: Option<Moment>,
    },
    /// What was to be done under the key is done, and the key is not free before then.
    Done {
        until: Moment,
    },
    Unavailable(StoreError),
    ShuttingDown,
}

impl Refusal {
    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        if let Self::Busy { free_at: Some(moment) } | Self::Done { until: moment } = self {
            names.told(moment);
        }
    }
}

/// The next step of the task of a call without a lease.
#[derive(Debug)]
pub enum Step {
    /// Send this, then report the answer.
    Send(AcquireRequest),
    /// Keep awaiting what was sent.
    AwaitAnswer,
    /// Wait until woken.
    Pending,
    /// The lock is held, with this fence; no step of the body may start from `until` on, unless it is extended.
    Granted {
        fence: u64,
        until: Moment,
    },
    Refused(Refusal),
}

/// The next step of a task that awaits a release.
#[derive(Debug)]
pub enum ReleaseStep {
    /// Send this, then report the answer.
    Send(ReleaseRequest),
    /// Keep awaiting what was sent.
    AwaitAnswer,
    /// Wait until woken.
    Pending,
    /// It is finished, or goes on without the task.
    Done(Result<Released, StoreError>),
}

/// The next step of a task that renews manually.
#[derive(Debug)]
pub enum ManualStep {
    /// Wait until woken.
    Pending,
    Renewed,
    Failed(StoreError),
    Lost(LossReason),
}

/// What it means that the body of a lease has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Its release says that it is done, for what is left of the period.
    Done,
    /// Its terms have no period.
    NotAsked,
    /// The lease was lost before, and somebody else may be at it.
    Lost(LossReason),
}

/// What the keeper sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Job {
    /// A request for a call, over this session.
    Ask(Number, AcquireRequest, SessionId),
    Renew(Renewal),
    /// A renewal that makes the lease a shared one.
    Downgrade(Downgrade),
    /// The release of this number; over the session that carried what it undoes, if that still exists.
    Release(Number, ReleaseRequest, Option<SessionId>),
}

/// What to do once the client's mutex is unlocked. `C` stands for the task of a call and its body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action<C> {
    /// Wake the task: its next step has changed.
    Wake(C),
    /// No step of the body may start from this moment on. It never undoes a loss.
    Extend(C, Moment),
    /// No step of the body may start any more.
    Lose(C, LossReason),
    /// The task did not look at its grant for so long, and the key goes to the next; woken, it asks again.
    PassedOver(C, Duration),
    /// So much of the ttl has passed without a renewal, which is half of it.
    HalfOver(C, Duration),
    /// The task is woken so that it shows whether it is polled. It is asked at every renewal that is as long as this
    /// after the last time.
    ShowPolled(C, Duration),
    /// Replace this session: it does not answer.
    Replace(SessionId),
}
