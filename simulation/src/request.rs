//! One operation of the store, its answer, and what the model makes of it.

use lock_core::key::{AcquireRequest, ReleaseReply, ReleaseRequest};
use lock_core::store::model::Model;
use lock_core::store::{Acquired, Downgrade, Kind, Renewal, Renewed, Rotated, StoreError, Token};
use lock_core::walk::Answer;
use lock_core::{LockKey, Moment};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Ask(AcquireRequest),
    Renew(Vec<Renewal>),
    Downgrade(Downgrade),
    Release(ReleaseRequest),
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Acquired(Acquired),
    Renewed(Vec<Result<Renewed, StoreError>>),
    Released(ReleaseReply),
}

impl Request {
    /// Executes it at a store.
    pub(crate) fn execute(&self, now: Moment, store: &mut Model) -> Reply {
        match self {
            Self::Ask(AcquireRequest::Ask(ask)) => Reply::Acquired(store.acquire(now, ask)),
            Self::Ask(AcquireRequest::Look(look)) => Reply::Acquired(store.look(now, look)),
            Self::Ask(AcquireRequest::Enqueue(enqueue)) => Reply::Acquired(store.enqueue(now, enqueue)),
            Self::Renew(batch) => Reply::Renewed(batch.iter().map(|renewal| Ok(store.renew(now, renewal))).collect()),
            Self::Downgrade(downgrade) => Reply::Renewed(vec![Ok(store.downgrade(now, downgrade))]),
            Self::Release(ReleaseRequest::Release(release)) => {
                Reply::Released(ReleaseReply::Released(store.release(now, release)))
            }
            Self::Release(ReleaseRequest::Rotate(rotation)) => {
                Reply::Released(ReleaseReply::Rotated(store.rotate(now, rotation)))
            }
        }
    }

    /// The keys and the tokens that it is about: one, except for a batch of renewals.
    pub(crate) fn about(&self) -> impl Iterator<Item = (&LockKey, Token)> {
        let one = match self {
            Self::Ask(request) => Some((request.key(), request.token())),
            Self::Release(release) => Some((release.key(), release.token())),
            Self::Downgrade(downgrade) => Some((&downgrade.key, downgrade.token)),
            Self::Renew(_) => None,
        };
        let many = if let Self::Renew(batch) = self { &batch[..] } else { &[] };
        one.into_iter().chain(many.iter().map(|renewal| (&renewal.key, renewal.token)))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ask(AcquireRequest::Ask(_)) => "acquire",
            Self::Ask(AcquireRequest::Look(_)) => "look",
            Self::Ask(AcquireRequest::Enqueue(_)) => "enqueue",
            Self::Renew(_) => "renew",
            Self::Downgrade(_) => "downgrade",
            Self::Release(ReleaseRequest::Release(_)) => "release",
            Self::Release(ReleaseRequest::Rotate(_)) => "rotate",
        }
    }

    /// Whether it could take the key or enqueue a waiter, so that no session sends it a second time.
    pub(crate) fn may_take(&self) -> bool {
        match self {
            Self::Ask(_) | Self::Release(ReleaseRequest::Rotate(_)) => true,
            Self::Renew(_) | Self::Downgrade(_) | Self::Release(ReleaseRequest::Release(_)) => false,
        }
    }

    /// Whether it is a script, which a store can have forgotten.
    pub(crate) fn is_script(&self) -> bool {
        !matches!(self, Self::Ask(AcquireRequest::Ask(ask)) if ask.kind == Kind::Exclusive)
    }
}

/// The answer to an acquire request that was sent then, for the walk that sent it.
pub(crate) fn acquire_answer(request: &Request, sent: Moment, answer: Result<Reply, StoreError>) -> Answer {
    let token = request.about().next().map(|(_, token)| token).expect("an acquire request is about one");
    let result = answer.map(|reply| match reply {
        Reply::Acquired(acquired) => acquired,
        other => unreachable!("{other:?} is no answer to an acquire request"),
    });
    Answer { token, sent, result }
}

/// A reply, as shown in a history.
pub(crate) fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Acquired(Acquired::Granted { fence, .. }) => format!("granted, fence {fence}"),
        Reply::Acquired(Acquired::Held { queued_at: Some(_), .. }) => "held, stands in the queue".to_owned(),
        Reply::Acquired(Acquired::Done { .. }) => "done".to_owned(),
        Reply::Acquired(_) => "held".to_owned(),
        Reply::Renewed(answers) => {
            let each = |answer: &Result<Renewed, _>| match answer {
                Ok(renewed) => format!("{renewed:?}"),
                Err(_) => "an error".to_owned(),
            };
            answers.iter().map(each).collect::<Vec<_>>().join(", ")
        }
        Reply::Released(ReleaseReply::Released(released)) => format!("{released:?}"),
        Reply::Released(ReleaseReply::Rotated(Rotated::Retained { fence, .. })) => format!("retained, fence {fence}"),
        Reply::Released(ReleaseReply::Rotated(rotated)) => format!("{rotated:?}"),
    }
}
