//! One call, watched from outside and from inside: when it was polled, and when its body was.
//!
//! What must stay true: the first thing in a body's step is a look at the clock and at the lease, and the last thing
//! that happens to a body is written down before anybody can hear of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use lock_runtime::Lease;

use crate::clock::{Moment, nanos, now};
use crate::event::{Event, Journal, PollStart};

/// What is known about a call while it lasts.
#[derive(Debug)]
pub(crate) struct Call {
    journal: Arc<Journal>,
    task: u32,
    /// When it was last polled from outside.
    entered: AtomicU64,
    /// Whether its lease was there and alive then.
    was_held: AtomicU64,
    hold: OnceLock<Hold>,
}

/// What a body runs under.
#[derive(Clone, Debug)]
pub(crate) enum Hold {
    Lease(Lease),
    /// Nothing, and a number that looks like a fence.
    Nothing(u64),
}

const UNKNOWN: u64 = 0;
const OVER: u64 = 1;
const HELD: u64 = 2;

impl Hold {
    pub(crate) fn fence(&self) -> u64 {
        match self {
            Self::Lease(lease) => lease.fence(),
            Self::Nothing(number) => *number,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Lease(lease) if !lease.is_held())
    }

    /// The deadline, as the library says it at this moment; zero when it has passed.
    fn deadline(&self, at: Moment) -> Moment {
        match self {
            Self::Lease(lease) => match lease.remaining() {
                left if left.is_zero() => 0,
                left => at + nanos(left),
            },
            Self::Nothing(_) => Moment::MAX,
        }
    }
}

impl Call {
    pub(crate) fn new(journal: Arc<Journal>, task: u32) -> Arc<Self> {
        let (entered, was_held, hold) = Default::default();
        Arc::new(Self { journal, task, entered, was_held, hold })
    }

    pub(crate) fn note(&self, event: Event) {
        self.journal.note(self.task, event);
    }

    /// What its body runs under; first known when that is there.
    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.get()
    }

    /// A body that may run under this from now on.
    pub(crate) fn granted(&self, hold: Hold) {
        // A call is granted once.
        let _ = self.hold.set(hold);
    }

    fn enter(&self) {
        self.entered.store(now(), Ordering::Relaxed);
        let was_held = self.hold.get().map_or(UNKNOWN, |hold| if hold.is_over() { OVER } else { HELD });
        self.was_held.store(was_held, Ordering::Relaxed);
    }

    fn was_held(&self) -> Option<bool> {
        match self.was_held.load(Ordering::Relaxed) {
            UNKNOWN => None,
            held => Some(held == HELD),
        }
    }
}

/// A call, from outside.
pub(crate) struct Entered<F> {
    pub(crate) call: Arc<Call>,
    pub(crate) future: Pin<Box<F>>,
}

impl<F: Future> Future for Entered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.call.enter();
        self.future.as_mut().poll(cx)
    }
}

/// A body, from inside.
pub(crate) struct Watched<F> {
    call: Arc<Call>,
    future: Option<Pin<Box<F>>>,
    begun: bool,
}

impl<F: Future> Watched<F> {
    pub(crate) fn new(call: Arc<Call>, future: F) -> Self {
        Self { call, future: Some(Box::pin(future)), begun: false }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let at = now();
        let this = &mut *self;
        let current = || Hold::Lease(lock_runtime::current().expect("a body runs under a lease"));
        let hold = this.call.hold.get_or_init(current);
        let deadline = hold.deadline(at);
        let (journal, task) = (&this.call.journal, this.call.task);
        if !std::mem::replace(&mut this.begun, true) {
            journal.note_at(at, task, Event::Grant { fence: hold.fence(), deadline });
        }
        let entered = this.call.entered.load(Ordering::Relaxed);
        let start = PollStart { entered, was_held: this.call.was_held(), deadline };
        journal.note_at(at, task, Event::PollStart(start));
        let _step = Step(&this.call);
        this.future.as_mut().expect("it is there until it is dropped").as_mut().poll(cx)
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        self.future = None;
        if self.begun {
            self.call.note(Event::DropBody);
        }
    }
}

/// A step that is over when this is dropped, by a panic too.
struct Step<'a>(&'a Call);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.note(Event::PollEnd);
    }
}
