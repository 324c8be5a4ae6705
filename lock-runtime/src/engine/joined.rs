//! A call that is part of an enclosing body, which holds its key: its future is polled under that one's lease, and
//! nothing is sent or released for it.
//!
//! Must stay true: no step of it starts outside of a step of that body, nor after the end of that lease. Deliberately
//! absent: counting who has joined. The end of the enclosing body is the end.

use std::sync::Arc;

use lock_core::LossReason;

use crate::engine::enclosing;
use crate::engine::lease_state::LeaseState;
use crate::system::clock;

/// See the module.
pub(crate) struct Joined {
    /// The enclosing body's.
    state: Arc<LeaseState>,
}

impl Joined {
    pub(crate) fn new(state: Arc<LeaseState>) -> Self {
        Self { state }
    }

    pub(crate) fn state(&self) -> &Arc<LeaseState> {
        &self.state
    }

    /// Whether a step may start now, or how the lease was lost. One that left the body it was part of has lost it, as
    /// at the end of its time. A body that runs on without its lease takes along what is part of it, if that would, too.
    pub(crate) fn may_step(&self, continues: bool) -> Result<(), LossReason> {
        let is_inside = enclosing::is_inside(&self.state);
        match self.state.loss() {
            Some(LossReason::Forked) => Err(LossReason::Forked),
            _ if !is_inside => Err(LossReason::Expired),
            Some(_) if continues => Ok(()),
            Some(reason) => Err(reason),
            None if clock::now() < self.state.until() => Ok(()),
            None => Err(LossReason::Expired),
        }
    }
}
