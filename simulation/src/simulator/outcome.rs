//! What a simulation came to.

use std::time::Duration;

use super::history::Note;

/// What came of one simulation.
#[derive(Debug)]
pub struct Outcome {
    /// What was not as it must be, if anything.
    pub violation: Option<Violation>,
    /// How many tasks came.
    pub tasks: u64,
    /// How many of them had the lock.
    pub grants: u64,
    /// What happened, if it was to be recorded.
    pub history: Vec<Note>,
}

/// Something was not as it must be.
#[derive(Debug, Clone)]
pub struct Violation {
    /// When, from the beginning.
    pub at: Duration,
    /// What it was.
    pub what: String,
}
