//! A body whose success is kept: it says so to its lease, which tells the store with the release.
//!
//! Must stay true: it is judged in the body's last step, so that a panic of whoever judges is the body's.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::enclosing;

pin_project! {
    /// See the module.
    #[doc(hidden)]
    pub struct Judged<F, S> {
        #[pin]
        body: F,
        success: S,
    }
}

/// Says whether a body's value is a success.
#[doc(hidden)]
pub trait Judge<T> {
    fn judge(&self, value: &T) -> bool;
}

impl<F, S> Judged<F, S> {
    pub(crate) fn new(body: F, success: S) -> Self {
        Self { body, success }
    }
}

impl<F: Future, S: Judge<F::Output>> Future for Judged<F, S> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let value = ready!(this.body.poll(cx));
        if this.success.judge(&value)
            && let Some(lease) = enclosing::innermost()
        {
            lease.succeed();
        }
        Poll::Ready(value)
    }
}

impl<F, S> std::fmt::Debug for Judged<F, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged").finish_non_exhaustive()
    }
}
