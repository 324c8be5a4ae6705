//! A request in flight to the store and back.

use std::time::Duration;

use lock_core::Moment;
use lock_core::key::SessionId;
use lock_core::walk::Errand;

use crate::request::Request;

#[derive(Debug, Clone)]
pub(super) struct Packet {
    pub(super) number: u64,
    pub(super) process: usize,
    pub(super) era: u64,
    pub(super) session: SessionId,
    pub(super) sent_at: Moment,
    /// The same, by the clock of its process.
    pub(super) sent: Moment,
    pub(super) from: From,
    pub(super) request: Request,
    /// It was sent again, because the store had forgotten the script.
    pub(super) resent: bool,
}

/// Who awaits the answer.
#[derive(Debug, Clone)]
pub(super) enum From {
    Task(usize),
    /// The keeper, and how long it waits.
    Keeper(Box<Errand>, Duration),
}
