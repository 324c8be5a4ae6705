//! One call, watched from outside and from inside: when it was polled, and when its body was.
//!
//! What must stay true: the first thing in a body's step is a look at the clock and at the lease, and the last thing
//! that happens to a body is written down before anybody can hear of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use lock_core::store::Kind;
use lock_runtime::{Lease, LeaseSet};

use super::choices::TASKS_APART;
use crate::clock::{Moment, nanos, now};
use crate::event::{Event, Journal, PollStart};
use crate::store::lock_key;

/// What is known about a call while it lasts.
#[derive(Debug)]
pub(crate) struct Call {
    journal: Arc<Journal>,
    task: u32,
    /// Each is written down as a call of its own.
    keys: Vec<u64>,
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
    Leases(LeaseSet),
    /// Nothing, and a number that looks like a fence.
    Nothing(u64),
}

const UNKNOWN: u64 = 0;
const OVER: u64 = 1;
const HELD: u64 = 2;

impl Hold {
    /// What a body is inside of runs under.
    fn current() -> Self {
        let several = lock_runtime::current_set().map(Self::Leases);
        several.or_else(|| lock_runtime::current().map(Self::Lease)).expect("a body runs under a lease")
    }

    pub(crate) fn fence(&self, key: u64) -> u64 {
        match self {
            Self::Lease(lease) => lease.fence(),
            Self::Leases(leases) => leases.fence_of(lock_key(key)).expect("one of its keys"),
            Self::Nothing(number) => *number,
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Lease(lease) => !lease.is_held(),
            Self::Leases(leases) => !leases.is_held(),
            Self::Nothing(_) => false,
        }
    }

    /// The deadline, as the library says it at this moment; zero when it has passed.
    fn deadline(&self, at: Moment) -> Moment {
        let left = match self {
            Self::Lease(lease) => lease.remaining(),
            Self::Leases(leases) => leases.remaining(),
            Self::Nothing(_) => return Moment::MAX,
        };
        if left.is_zero() { 0 } else { at + nanos(left) }
    }
}

impl Call {
    pub(crate) fn new(journal: Arc<Journal>, task: u32, keys: Vec<u64>) -> Arc<Self> {
        let (entered, was_held, hold) = Default::default();
        Arc::new(Self { journal, task, keys, entered, was_held, hold })
    }

    /// It begins, with a lease of so many nanoseconds.
    pub(crate) fn tries(&self, kind: Kind, ttl: u64) {
        self.note_each(now(), |key| Event::Try { key, ttl, kind });
    }

    pub(crate) fn note(&self, event: &Event) {
        self.note_at(now(), event);
    }

    fn note_at(&self, at: Moment, event: &Event) {
        self.note_each(at, |_| event.clone());
    }

    /// Writes down for each key what happened to the call.
    fn note_each(&self, at: Moment, event: impl Fn(u64) -> Event) {
        for (task, &key) in (self.task..).step_by(TASKS_APART as usize).zip(&self.keys) {
            self.journal.note_at(at, task, event(key));
        }
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
        let hold = this.call.hold.get_or_init(Hold::current);
        let deadline = hold.deadline(at);
        if !std::mem::replace(&mut this.begun, true) {
            this.call.note_each(at, |key| Event::Grant { fence: hold.fence(key), deadline });
        }
        let entered = this.call.entered.load(Ordering::Relaxed);
        let start = PollStart { entered, was_held: this.call.was_held(), deadline };
        this.call.note_at(at, &Event::PollStart(start));
        let _step = Step(&this.call);
        this.future.as_mut().expect("it is there until it is dropped").as_mut().poll(cx)
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        self.future = None;
        if self.begun {
            self.call.note(&Event::DropBody);
        }
    }
}

/// A step that is over when this is dropped, by a panic too.
struct Step<'a>(&'a Call);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.note(&Event::PollEnd);
    }
}
