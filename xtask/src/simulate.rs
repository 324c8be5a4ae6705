//! `cargo xtask simulate`: fleets of the library's core, from seeds.
//!
//! Built with optimizations and with everything that the library asserts, and so that faults can be planted.
//! Deliberately absent: what is done and checked, which the package `lock-simulation` knows.

use crate::steps::{cargo_planted, run};

/// Runs the simulator with these arguments.
pub(crate) fn simulate(arguments: &[String]) -> Result<(), String> {
    let simulate = ["run", "--quiet", "--profile", "simulation", "-p", "lock-simulation", "--"];
    run(cargo_planted(&simulate).args(arguments))
}
