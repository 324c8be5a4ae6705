//! `cargo xtask exhaustive`: every state of one key, a few clients and the model of a store.
//!
//! Built with optimizations and with everything that the library asserts, and so that faults can be planted.
//! Deliberately absent: what is checked, which the package `lock-simulation` knows.

use crate::steps::{cargo_planted, run};

/// Runs the model checker with these arguments.
pub(crate) fn exhaustive(arguments: &[String]) -> Result<(), String> {
    let program = ["--bin", "exhaustive", "--"];
    let exhaustive = ["run", "--quiet", "--profile", "simulation", "-p", "lock-simulation"];
    run(cargo_planted(&exhaustive).args(program).args(arguments))
}
