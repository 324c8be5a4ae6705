//! `cargo xtask mutants`: changes the code that decides, one place at a time, and looks whether a test notices.
//!
//! What is changed and which tests are asked is in `.cargo/mutants.toml`. A whole run takes hours; `--shard 1/20` is a
//! part of one, `-f lock-macros/src/key.rs` a file. Deliberately absent: a verdict on what nobody notices, as some
//! changes change nothing.

use crate::steps::{cargo, run};
use crate::tools;

/// Gets cargo-mutants, then runs it with the arguments.
pub(crate) fn mutants(arguments: &[String]) -> Result<(), String> {
    tools::subcommand("mutants")?;
    run(cargo(&["mutants", "--output", "target"]).args(arguments))
}
