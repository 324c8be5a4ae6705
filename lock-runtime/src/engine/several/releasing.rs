//! Releases that a task awaits together. When they are dropped, they go on without the task.

use std::task::{Context, Poll};

use crate::engine::releasing::Releasing;
use crate::store::{Released, StoreError};
use lock_core::LockKey;

/// See the module. All are sent at once, in their order; so several cost one round trip.
pub(crate) struct ReleasingSet {
    /// Those without an answer.
    left: Vec<Releasing>,
    outcome: Result<Released, (LockKey, StoreError)>,
}

impl ReleasingSet {
    /// None stands for a release that nobody is to await.
    pub(super) fn new(releases: Vec<Option<Releasing>>) -> Self {
        Self { left: releases.into_iter().flatten().collect(), outcome: Ok(Released::Freed) }
    }

    /// Their outcome once all have one: the first failure; else `NotOurs` if that is so for any.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Released, (LockKey, StoreError)>> {
        let Self { left, outcome } = self;
        left.retain_mut(|releasing| match releasing.poll(cx) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                match (answer, &outcome) {
                    (_, Err(_)) | (Ok(Released::Freed), _) => {}
                    (Ok(Released::NotOurs), _) => *outcome = Ok(Released::NotOurs),
                    (Err(error), _) => *outcome = Err((releasing.key().clone(), error)),
                }
                false
            }
        });
        if left.is_empty() { Poll::Ready(outcome.clone()) } else { Poll::Pending }
    }
}
