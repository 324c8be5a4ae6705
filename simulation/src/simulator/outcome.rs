//! The outcome of a simulation.

use std::time::Duration;

use super::history::Note;

/// The outcome of one simulation.
#[derive(Debug)]
pub struct Outcome {
    /// The violation, if there was one.
    pub violation: Option<Violation>,
    /// How many tasks arrived.
    pub tasks: u64,
    /// How many of them were granted a lock.
    pub grants: u64,
    /// The history, if it was recorded.
    pub history: Vec<Note>,
}

/// A broken invariant.
#[derive(Debug, Clone)]
pub struct Violation {
    /// When, from the beginning.
    pub at: Duration,
    /// What was violated.
    pub what: String,
}
