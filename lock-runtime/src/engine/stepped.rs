//! A step of a body, under one lock or several, and what came of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use lock_core::LockError;

pub(super) const POLLED_AGAIN: &str = "a guarded future was polled after it had ended";

/// The outcome of a poll of a body that has not ended.
pub(super) enum Stepped<T> {
    Pending,
    Finished(T),
    Panicked(Box<dyn Any + Send>),
    /// Not acquired, or lost.
    Failed(LockError),
}

impl<T> Stepped<T> {
    /// Polls a body whose step may start.
    pub(super) fn poll(body: Pin<&mut impl Future<Output = T>>, cx: &mut Context<'_>) -> Self {
        match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(Poll::Pending) => Self::Pending,
            Ok(Poll::Ready(value)) => Self::Finished(value),
            Err(panic) => Self::Panicked(panic),
        }
    }
}
