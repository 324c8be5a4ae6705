//! A request on its way to the store and back.

use lock_core::Moment;
use lock_core::key::SessionId;
use lock_core::walk::Errand;

use super::request::Request;

#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) number: u64,
    pub(super) process: usize,
    pub(super) era: u64,
    pub(super) session: SessionId,
    pub(super) sent_at: Moment,
    /// The same, by the clock of its process.
    pub(super) sent: Moment,
    pub(super) from: From,
    pub(super) request: Request,
    /// It was sent once more, since the store had forgotten the script.
    pub(super) bounced: bool,
}

/// Who awaits the answer.
#[derive(Debug, Clone)]
pub(super) enum From {
    Task(usize),
    /// The keeper; whether a missing answer is a reason to doubt the session.
    Keeper(Box<Errand>, bool),
}
