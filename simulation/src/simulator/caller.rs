//! The task of a call, as its client's state speaks of it.

use lock_core::lease::Validity;

#[derive(Debug)]
pub(super) struct Caller {
    /// None if it is whoever shuts the process down.
    pub(super) task: Option<usize>,
    pub(super) validity: Validity,
}
