//! [`Guarded`]: a body under a lock, from the acquire to the release.
//!
//! Must stay true: the body is first polled after the grant; no poll of it starts at or after the lease's deadline; it
//! is dropped before its release is sent; the caller gets its value or its panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::engine::acquiring::Acquiring;
use crate::engine::enclosing;
use crate::engine::holding::Holding;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe;
use crate::engine::releasing::Releasing;
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
        // Before `phase`, so that it is dropped before the lease is.
        #[pin]
        body: Body<F>,
        phase: Phase,
        span: Span,
        continues: bool,
    }
}

pin_project! {
    #[project = BodyProjection]
    enum Body<F: Future> {
        Running { #[pin] future: F },
        Finished { value: Option<F::Output> },
        Dropped,
    }
}

enum Phase {
    Invalid(Option<LockError>),
    Acquiring(Acquiring),
    Holding(Holding),
    /// With the panic that ended the body, if one did.
    Releasing(Releasing, Option<Box<dyn Any + Send>>),
    Over,
}

/// The outcome of a step of the body.
enum Stepped<T> {
    Pending,
    Finished(T),
    Panicked(Box<dyn Any + Send>),
    Lost(LockError),
}

impl<F: Future> Guarded<F> {
    /// Runs a body under a lock whose acquire has begun, unless that was refused.
    pub(crate) fn new(begun: Result<Acquiring, LockError>, template: &'static str, continues: bool, body: F) -> Self {
        let body = Body::Running { future: body };
        match begun {
            Ok(acquiring) => {
                let span = observe::span(template, &acquiring.state().key);
                Self { body, phase: Phase::Acquiring(acquiring), span, continues }
            }
            Err(error) => Self { body, phase: Phase::Invalid(Some(error)), span: Span::none(), continues },
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, LockError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.phase {
                Phase::Acquiring(acquiring) => {
                    let polled = this.span.in_scope(|| acquiring.poll(cx));
                    match ready!(polled) {
                        Ok(holding) => {
                            let (state, observed) = (holding.state(), &holding.shared().observed);
                            observed.acquired(this.span, &state.key, state.validity.fence(), holding.waited());
                            *this.phase = Phase::Holding(holding);
                        }
                        Err(error) => *this.phase = Phase::Invalid(Some(error)),
                    }
                }
                Phase::Invalid(error) => {
                    let error = error.take();
                    // The body and what it owns are dropped before the caller gets the error.
                    this.body.set(Body::Dropped);
                    *this.phase = Phase::Over;
                    return Poll::Ready(Err(error.expect(POLLED_AGAIN)));
                }
                Phase::Holding(holding) => {
                    let stepped = this.span.in_scope(|| step(holding, this.body.as_mut(), *this.continues, cx));
                    let ended = match stepped {
                        Stepped::Pending => return Poll::Pending,
                        Stepped::Finished(value) => {
                            this.body.set(Body::Finished { value: Some(value) });
                            None
                        }
                        Stepped::Panicked(panic) => {
                            // A second panic, from a destructor, is the less interesting one.
                            let _ = catch_unwind(AssertUnwindSafe(|| this.body.set(Body::Dropped)));
                            Some(panic)
                        }
                        Stepped::Lost(error) => {
                            if planted(Mutant::BodyOutlivesRelease) {
                                *this.phase = Phase::Over;
                            }
                            this.body.set(Body::Dropped);
                            *this.phase = Phase::Over;
                            return Poll::Ready(Err(error));
                        }
                    };
                    let Phase::Holding(holding) = std::mem::replace(this.phase, Phase::Over) else { continue };
                    observe::held_for(this.span, holding.held_for());
                    match (this.span.in_scope(|| holding.end()), ended) {
                        (Some(releasing), panic) => *this.phase = Phase::Releasing(releasing, panic),
                        (None, Some(panic)) => resume_unwind(panic),
                        (None, None) => {}
                    }
                }
                Phase::Releasing(releasing, _) => {
                    // The outcome is logged and counted; the body's caller does not get it.
                    let _ = ready!(this.span.in_scope(|| releasing.poll(cx)));
                    let Phase::Releasing(_, panic) = std::mem::replace(this.phase, Phase::Over) else { continue };
                    if let Some(panic) = panic {
                        resume_unwind(panic);
                    }
                }
                Phase::Over => {
                    let value = match this.body.as_mut().project() {
                        BodyProjection::Finished { value } => value.take(),
                        _ => None,
                    };
                    return Poll::Ready(Ok(value.expect(POLLED_AGAIN)));
                }
            }
        }
    }
}

const POLLED_AGAIN: &str = "a guarded future was polled after it had ended";

/// Polls the body once, if the lease allows.
fn step<F: Future>(
    holding: &Holding,
    body: Pin<&mut Body<F>>,
    continues: bool,
    cx: &mut Context<'_>,
) -> Stepped<F::Output> {
    let BodyProjection::Running { future } = body.project() else { unreachable!("{POLLED_AGAIN}") };
    let state = holding.state();
    state.register(cx.waker());
    match holding.start_step() {
        Start::Now => {}
        Start::NeverAgain => return Stepped::Pending,
        Start::Lost(LossReason::Forked) if !continues => return Stepped::Lost(LockError::forked(state.key.clone())),
        Start::Lost(_) if continues && state.validity.start_step_after_loss() => {}
        Start::Lost(_) if continues => return Stepped::Pending,
        Start::Lost(reason) => return Stepped::Lost(LockError::lost(state.key.clone(), reason)),
    }
    let polled = {
        let _step = Step(state);
        let _inside = enclosing::enter(state);
        catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
    };
    match polled {
        Ok(Poll::Pending) => Stepped::Pending,
        Ok(Poll::Ready(value)) => Stepped::Finished(value),
        Err(panic) => Stepped::Panicked(panic),
    }
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
