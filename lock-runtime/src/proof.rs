//! What this project's own proofs reach of its inside. No part of the API: it may change or go at any time.

pub use crate::mutant::{ALL, Mutant, plant};
pub use crate::simulator::{About, Fault, Kind, Note, Outcome, Over, Plan, Trouble, Violation, What, shrink, simulate};
