//! [`GuardedSet`]: a body under several locks, from the first acquire to the last release.
//!
//! Must stay true what does for a body under one lock: it is first polled after the last grant; no poll of it starts at
//! or after the least deadline; it is dropped before a release is sent; the caller gets its value or its panic.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tracing::Span;

use crate::engine::enclosing;
use crate::engine::holding::Holding;
use crate::engine::observe;
use crate::engine::several::acquiring::AcquiringSet;
use crate::engine::several::held::{HeldSet, StartSet, lost};
use crate::engine::several::releasing::ReleasingSet;
use crate::engine::stepped::{POLLED_AGAIN, Stepped};
use lock_core::LockError;

pin_project! {
    /// A future that runs another one under several locks. Made by
    /// [`LockSetRequest::run`](crate::LockSetRequest::run) and by the attribute.
    ///
    /// Dropped at any point, it drops the body first and then leaves the releases to the client.
    #[project = GuardedSetProjection]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct GuardedSet<F: Future> {
        #[pin]
        body: Body<F>,
        // Behind the body, so that it is dropped after it.
        locks: Locks,
    }
}

pin_project! {
    #[project = BodyProjection]
    enum Body<F: Future> {
        Running { #[pin] body: F },
        Ended { value: Option<F::Output> },
    }
}

/// The locks around a body.
struct Locks {
    phase: Phase,
    span: Span,
    continues: bool,
}

enum Phase {
    Invalid(Option<LockError>),
    Acquiring(AcquiringSet),
    Holding(HeldSet),
    /// With the panic that ended the body, if one did.
    Releasing(ReleasingSet, Option<Box<dyn Any + Send>>),
    Over,
}

impl<F: Future> GuardedSet<F> {
    /// Runs a body under locks whose acquire has begun, unless that was refused.
    pub(crate) fn new(begun: Result<AcquiringSet, LockError>, span: Span, continues: bool, body: F) -> Self {
        let phase = begun.map_or_else(|error| Phase::Invalid(Some(error)), Phase::Acquiring);
        Self { body: Body::Running { body }, locks: Locks { phase, span, continues } }
    }
}

impl<F: Future> Future for GuardedSet<F> {
    type Output = Result<F::Output, LockError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let GuardedSetProjection { body: mut place, locks } = self.project();
        if let BodyProjection::Running { body } = place.as_mut().project() {
            let panic = match locks.poll_body(body, cx) {
                Stepped::Pending => return Poll::Pending,
                Stepped::Finished(value) => {
                    place.set(Body::Ended { value: Some(value) });
                    None
                }
                Stepped::Panicked(panic) => {
                    // A second panic, from a destructor, is the less interesting one.
                    let _ = catch_unwind(AssertUnwindSafe(|| place.set(Body::Ended { value: None })));
                    Some(panic)
                }
                Stepped::Failed(error) => {
                    // The body and what it owns are dropped before its leases are, and before the caller gets the error.
                    place.set(Body::Ended { value: None });
                    locks.phase = Phase::Over;
                    return Poll::Ready(Err(error));
                }
            };
            locks.release(panic);
        }
        ready!(locks.poll_release(cx));
        match place.project() {
            BodyProjection::Ended { value } => Poll::Ready(Ok(value.take().expect(POLLED_AGAIN))),
            BodyProjection::Running { .. } => unreachable!("{POLLED_AGAIN}"),
        }
    }
}

impl Locks {
    /// Acquires the locks, then polls the body once.
    fn poll_body<F: Future>(&mut self, body: Pin<&mut F>, cx: &mut Context<'_>) -> Stepped<F::Output> {
        loop {
            match &mut self.phase {
                Phase::Acquiring(acquiring) => match self.span.in_scope(|| acquiring.poll(cx)) {
                    Poll::Pending => return Stepped::Pending,
                    Poll::Ready(Ok(held)) => {
                        observe::all_granted(&self.span, acquiring.waited());
                        // One is enough: they have one task.
                        held.all().iter().take(1).for_each(|held| held.state().watch());
                        self.phase = Phase::Holding(held);
                    }
                    Poll::Ready(Err(error)) => return Stepped::Failed(error),
                },
                Phase::Holding(held) => return self.span.in_scope(|| step(held, body, self.continues, cx)),
                Phase::Invalid(error) => return Stepped::Failed(error.take().expect(POLLED_AGAIN)),
                Phase::Releasing(..) | Phase::Over => unreachable!("{POLLED_AGAIN}"),
            }
        }
    }

    /// The body has ended, with this panic if with any.
    fn release(&mut self, panic: Option<Box<dyn Any + Send>>) {
        let Phase::Holding(held) = mem::replace(&mut self.phase, Phase::Over) else { return };
        observe::held_for(&self.span, held.all().last().map_or(Duration::ZERO, Holding::held_for));
        self.phase = Phase::Releasing(self.span.in_scope(|| held.end()), panic);
    }

    /// Awaits the releases; their outcome is logged and counted, and the body's caller does not get it.
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

/// Polls the body once, if all leases allow.
fn step<F: Future>(held: &HeldSet, body: Pin<&mut F>, continues: bool, cx: &mut Context<'_>) -> Stepped<F::Output> {
    held.all().iter().for_each(|held| held.state().register(cx.waker()));
    if continues {
        if !held.start_step_all_the_same() {
            return Stepped::Pending;
        }
    } else {
        match held.start_step() {
            StartSet::Now => {}
            StartSet::NeverAgain => return Stepped::Pending,
            StartSet::Lost(key, reason) => return Stepped::Failed(lost(key, reason)),
        }
    }
    let _step = Step(held);
    let _inside = enclosing::enter_all(held.leases());
    Stepped::poll(body, cx)
}

/// Until it is dropped, the body is in the middle of a step.
struct Step<'a>(&'a HeldSet);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.end_step();
    }
}

impl<F: Future> std::fmt::Debug for GuardedSet<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedSet").finish_non_exhaustive()
    }
}
