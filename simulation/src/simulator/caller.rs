//! The task of a call, as its client's state refers to it.

use lock_core::lease::Validity;

#[derive(Debug)]
pub(super) struct Caller {
    /// None for the one that shuts the process down.
    pub(super) task: Option<usize>,
    pub(super) validity: Validity,
}
