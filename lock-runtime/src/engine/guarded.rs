//! [`Guarded`]: a body under a lock, from the acquire to the release.
//!
//! Must stay true: the body is first polled after the grant; no poll of it starts at or after the lease's deadline; it
//! is dropped before its release is sent; the caller gets its value or its panic.

use std::any::Any;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::engine::acquiring::Acquiring;
use crate::engine::enclosing;
use crate::engine::holding::Holding;
use crate::engine::joined::Joined;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe;
use crate::engine::releasing::Releasing;
use crate::engine::stepped::{POLLED_AGAIN, Stepped};
use lock_core::planted::{Mutant, planted};
use lock_core::walk::Start;
use lock_core::{LockError, LossReason};

pin_project! {
    /// A future that runs another one under a lock. Made by [`LockRequest::run`](crate::LockRequest::run) and by the
    /// attribute.
    ///
    /// Dropped at any point, it drops the body first and then leaves the release to the client.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Guarded<F: Future> {
        #[pin]
        call: Call<F>,
    }
}

pin_project! {
    /// What [`Guarded`] is, and what the attribute awaits itself: each type around a body is one more step for the
    /// compiler that asks whether a chain of annotated functions is `Send`, and its steps are limited.
    #[doc(hidden)]
    #[project = CallProjection]
    #[must_use = "a future does nothing unless it is awaited"]
    pub enum Call<F: Future> {
        // The body stands before its lock, so that it is dropped first. The compiler looks at types in the order in
        // which they are declared, and knows the deep ones before it goes down into bodies within bodies: the lock, and
        // what most bodies end in.
        Running { known: PhantomData<(Lock, tokio::time::Sleep)>, #[pin] body: F, lock: Lock },
        Ended { value: Option<F::Output>, lock: Lock },
    }
}

/// The lock around a body.
#[doc(hidden)]
pub struct Lock {
    phase: Phase,
    span: Span,
    manner: Manner,
}

/// How a body runs under its lock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// It runs on when the lock is lost.
    pub(crate) continues: bool,
    /// It may be part of an enclosing body that holds the key.
    pub(crate) joins: bool,
}

enum Phase {
    Invalid(Option<LockError>),
    Acquiring(Acquiring),
    Holding(Holding),
    /// The lease is an enclosing body's.
    Joined(Joined),
    /// With the panic that ended the body, if one did.
    Releasing(Releasing, Option<Box<dyn Any + Send>>),
    Over,
}

impl<F: Future> Guarded<F> {
    /// The same by its public name.
    pub(crate) fn new(call: Call<F>) -> Self {
        Self { call }
    }
}

impl<F: Future> Call<F> {
    /// Runs a body under a lock whose acquire has begun, unless that was refused.
    pub(crate) fn new(begun: Result<Acquiring, LockError>, span: Span, manner: Manner, body: F) -> Self {
        let phase = begun.map_or_else(|error| Phase::Invalid(Some(error)), Phase::Acquiring);
        Self::Running { known: PhantomData, body, lock: Lock { phase, span, manner } }
    }

    /// Drops the body; from here on there is its value at most.
    fn end(mut self: Pin<&mut Self>, value: Option<F::Output>) {
        if let CallProjection::Running { lock, .. } = self.as_mut().project() {
            let lock = lock.take();
            self.set(Self::Ended { value, lock });
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, LockError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().call.poll(cx)
    }
}

impl<F: Future> Future for Call<F> {
    type Output = Result<F::Output, LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let CallProjection::Running { body, lock, .. } = self.as_mut().project() {
            let panic = match lock.poll_body(body, cx) {
                Stepped::Pending => return Poll::Pending,
                Stepped::Finished(value) => {
                    self.as_mut().end(Some(value));
                    None
                }
                Stepped::Panicked(panic) => {
                    // A second panic, from a destructor, is the less interesting one.
                    let _ = catch_unwind(AssertUnwindSafe(|| self.as_mut().end(None)));
                    Some(panic)
                }
                Stepped::Failed(error) => {
                    if planted(Mutant::BodyOutlivesRelease) {
                        lock.phase = Phase::Over;
                    }
                    // The body and what it owns are dropped before its lease is, and before the caller gets the error.
                    self.as_mut().end(None);
                    if let CallProjection::Ended { lock, .. } = self.project() {
                        lock.phase = Phase::Over;
                    }
                    return Poll::Ready(Err(error));
                }
            };
            if let CallProjection::Ended { lock, .. } = self.as_mut().project() {
                lock.release(panic);
            }
        }
        let CallProjection::Ended { value, lock } = self.project() else { unreachable!("{POLLED_AGAIN}") };
        ready!(lock.poll_release(cx));
        Poll::Ready(Ok(value.take().expect(POLLED_AGAIN)))
    }
}

impl Lock {
    fn take(&mut self) -> Self {
        let (phase, span) = (mem::replace(&mut self.phase, Phase::Over), mem::replace(&mut self.span, Span::none()));
        Self { phase, span, manner: self.manner }
    }

    /// Acquires the lock, then polls the body once.
    fn poll_body<F: Future>(&mut self, body: Pin<&mut F>, cx: &mut Context<'_>) -> Stepped<F::Output> {
        loop {
            match &mut self.phase {
                Phase::Acquiring(acquiring)
                    if self.manner.joins
                        && let Some(joined) = acquiring.joins() =>
                {
                    self.span.in_scope(|| observe::joined(&self.span, joined.state()));
                    self.phase = Phase::Joined(joined);
                }
                Phase::Acquiring(acquiring) => match self.span.in_scope(|| acquiring.poll(cx)) {
                    Poll::Pending => return Stepped::Pending,
                    Poll::Ready(Ok(holding)) => {
                        let (state, observed) = (holding.state(), &holding.shared().observed);
                        let fence = state.validity.fence();
                        observe::granted(&self.span, fence, holding.waited());
                        self.span.in_scope(|| observed.acquired(&state.key, fence));
                        state.watch();
                        self.phase = Phase::Holding(holding);
                    }
                    Poll::Ready(Err(error)) => return Stepped::Failed(error),
                },
                Phase::Holding(holding) => {
                    return self.span.in_scope(|| step(holding, body, self.manner.continues, cx));
                }
                Phase::Joined(joined) => {
                    return self.span.in_scope(|| joined_step(joined, body, self.manner.continues, cx));
                }
                Phase::Invalid(error) => return Stepped::Failed(error.take().expect(POLLED_AGAIN)),
                Phase::Releasing(..) | Phase::Over => unreachable!("{POLLED_AGAIN}"),
            }
        }
    }

    /// The body has ended, with this panic if with any.
    fn release(&mut self, panic: Option<Box<dyn Any + Send>>) {
        let Phase::Holding(holding) = mem::replace(&mut self.phase, Phase::Over) else {
            // It is the enclosing body's, which goes on.
            return panic.map_or((), |panic| resume_unwind(panic));
        };
        observe::held_for(&self.span, holding.held_for());
        if panic.is_none() && holding.state().has_succeeded() {
            self.span.in_scope(|| holding.complete());
        }
        match (self.span.in_scope(|| holding.end()), panic) {
            (Some(releasing), panic) => self.phase = Phase::Releasing(releasing, panic),
            (None, Some(panic)) => resume_unwind(panic),
            (None, None) => {}
        }
    }

    /// Awaits the release; its outcome is logged and counted, and the body's caller does not get it.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Phase::Releasing(releasing, _) = &mut self.phase {
            let _ = ready!(self.span.in_scope(|| releasing.poll(cx)));
            if let Phase::Releasing(_, Some(panic)) = mem::replace(&mut self.phase, Phase::Over) {
                resume_unwind(panic);
            }
        }
        Poll::Ready(())
    }
}

/// Polls the body once, if the lease allows.
fn step<F: Future>(holding: &Holding, body: Pin<&mut F>, continues: bool, cx: &mut Context<'_>) -> Stepped<F::Output> {
    let state = holding.state();
    state.register(cx.waker());
    match holding.start_step() {
        Start::Now => {}
        Start::NeverAgain => return Stepped::Pending,
        Start::Lost(LossReason::Forked) if !continues => return Stepped::Failed(LockError::forked(state.key.clone())),
        Start::Lost(_) if continues && state.validity.start_step_after_loss() => {}
        Start::Lost(_) if continues => return Stepped::Pending,
        Start::Lost(reason) => return Stepped::Failed(LockError::lost(state.key.clone(), reason)),
    }
    let _step = Step(state);
    poll_inside(state, body, cx)
}

/// The same for a body that is part of an enclosing one, in the middle of a step of that.
fn joined_step<F: Future>(
    joined: &Joined,
    body: Pin<&mut F>,
    continues: bool,
    cx: &mut Context<'_>,
) -> Stepped<F::Output> {
    match joined.may_step(continues) {
        Ok(()) => poll_inside(joined.state(), body, cx),
        Err(LossReason::Forked) => Stepped::Failed(LockError::forked(joined.state().key.clone())),
        Err(reason) => Stepped::Failed(LockError::lost(joined.state().key.clone(), reason)),
    }
}

fn poll_inside<F: Future>(state: &Arc<LeaseState>, body: Pin<&mut F>, cx: &mut Context<'_>) -> Stepped<F::Output> {
    let _inside = enclosing::enter(state);
    Stepped::poll(body, cx)
}

/// Until it is dropped, the body is in the middle of a step.
struct Step<'a>(&'a LeaseState);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.validity.end_step();
    }
}

impl<F: Future> std::fmt::Debug for Guarded<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

impl<F: Future> std::fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}
