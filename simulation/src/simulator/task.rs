//! One task: an acquire, a body, a release.

use std::cell::Cell;
use std::rc::Rc;

use lock_core::key::{Number, SessionId};
use lock_core::lease::Terms;
use lock_core::store::{StoreError, Token};
use lock_core::walk::{Acquiring, Holding, Releasing};
use lock_core::{LockKey, Moment};

use super::caller::Caller;
use crate::request::{Reply, Request};

#[derive(Debug)]
pub(super) struct Task {
    pub(super) process: usize,
    pub(super) era: u64,
    pub(super) caller: Rc<Caller>,
    pub(super) key: LockKey,
    pub(super) terms: Terms,
    /// Whether it runs on the runtime with a session.
    pub(super) is_on_runtime: bool,
    /// By the clock of its process.
    pub(super) arrived: Moment,
    pub(super) state: State,
    pub(super) sent: Option<Sent>,
    /// The manual renewals that it awaits.
    pub(super) manual_renewals: Vec<Number>,
    /// A poll is scheduled.
    pub(super) is_woken: Cell<bool>,
    /// When it was last woken.
    pub(super) woken_at: Cell<Moment>,
}

/// How far a task is.
#[derive(Debug)]
pub(super) enum State {
    /// It arrives with its first poll.
    NotArrived,
    Acquiring(Acquiring),
    Holding(Holding, Body),
    Releasing(Releasing),
    Over,
}

/// What a task has sent over its runtime's session.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) packet: u64,
    pub(super) at: Moment,
    pub(super) session: SessionId,
    pub(super) request: Request,
    pub(super) answer: Option<Result<Reply, StoreError>>,
}

/// The work under a lock.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) token: Token,
    pub(super) began: bool,
    pub(super) ends_at: Moment,
    pub(super) ending: Ending,
    pub(super) in_step: bool,
    /// It was woken in the middle of a step.
    pub(super) again: bool,
}

/// How a body ends, if nothing ends it earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Returns,
    Fails,
    Panics,
    IsDropped,
}
