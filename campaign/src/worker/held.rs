//! Locks in the hand, and what somebody does who holds them: looks before each step, and stops when one is lost.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::BoxFuture;
use lock_runtime::{LockError, LockGuard, LockSet, LossReason};

use super::call::{Call, Hold};
use super::outcome::{Body, Outcome, outcome};
use crate::event::Event;

/// One lock, or several.
#[derive(Debug)]
pub(super) enum Held {
    One(LockGuard),
    Several(LockSet),
}

/// What somebody does with them beside that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    Releases,
    Drops,
    /// Twice at once before the body, for so long; then drops.
    Renews(Duration),
}

impl From<LockGuard> for Held {
    fn from(guard: LockGuard) -> Self {
        Self::One(guard)
    }
}

impl From<LockSet> for Held {
    fn from(set: LockSet) -> Self {
        Self::Several(set)
    }
}

impl Held {
    fn hold(&self) -> Hold {
        match self {
            Self::One(guard) => Hold::Lease(guard.lease()),
            Self::Several(set) => Hold::Leases(set.leases()),
        }
    }

    fn is_held(&self) -> bool {
        match self {
            Self::One(guard) => guard.is_held(),
            Self::Several(set) => set.is_held(),
        }
    }

    fn lost(&self) -> BoxFuture<'static, LossReason> {
        match self {
            Self::One(guard) => Box::pin(guard.lost()),
            Self::Several(set) => Box::pin(set.lost()),
        }
    }

    async fn release(self) {
        // Trouble with it is an outcome that the keeper goes on with.
        match self {
            Self::One(guard) => drop(guard.release().await),
            Self::Several(set) => drop(set.release().await),
        }
    }
}

/// What such a body comes to.
pub(super) async fn under_held<T: Into<Held>>(
    acquire: impl Future<Output = Result<T, LockError>>,
    call: &Call,
    body: Body,
    hand: Hand,
) -> Outcome {
    let held: Held = match acquire.await {
        Ok(held) => held.into(),
        Err(error) => return error.into(),
    };
    call.granted(held.hold());
    if let (Hand::Renews(ttl), Held::One(guard)) = (hand, &held) {
        // What they come to is for the lease to say; that both come back is seen by the worker's end.
        let _ = futures::join!(guard.renew(ttl), guard.renew(ttl));
    }
    // From here on behind the locks, so that it is dropped before they are.
    let mut body = body;
    let mut lost = pin!(held.lost());
    let ended = poll_fn(|cx| {
        if let Poll::Ready(reason) = lost.as_mut().poll(cx) {
            return Poll::Ready(Err(format!("{reason:?}")));
        }
        if !held.is_held() {
            return Poll::Pending;
        }
        body.as_mut().poll(cx).map(Ok)
    })
    .await;
    drop(body);
    match ended {
        Ok(done) => {
            if hand == Hand::Releases {
                held.release().await;
            }
            outcome(Ok(done))
        }
        Err(reason) => {
            call.note(&Event::Lost { reason });
            Outcome::Skipped
        }
    }
}
