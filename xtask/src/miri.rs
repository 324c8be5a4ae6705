//! `cargo xtask miri`: the pure parts under Miri, which knows undefined behaviour, data races and weak memory.
//!
//! Deliberately absent: what needs a server, a second process or hours; loom's copy of the seat's tests, which brings
//! threads of its own; and the macro crate, as Miri runs no tests of such crates.

use crate::steps::run;
use crate::tools::{self, nightly_cargo};

/// The tests of the runtime that are pure, by the beginnings of their names.
const PURE: [&str; 6] = ["core::", "store::memory::model::", "seat::", "key::", "duration::", "private::"];

/// Not these: whole fleets from many seeds, and loom's copy.
const LEFT_OUT: [&str; 2] = ["fleet::", "interleavings::"];

/// Gets Miri, then runs the tests under it.
pub(crate) fn miri(arguments: &[String]) -> Result<(), String> {
    tools::nightly("miri")?;
    let mut command = nightly_cargo(&["miri", "test", "-p", "lock-runtime", "--no-default-features", "--lib"]);
    command.args(arguments).arg("--").args(PURE).args(LEFT_OUT.into_iter().flat_map(|name| ["--skip", name]));
    // For the clock.
    run(command.env("MIRIFLAGS", "-Zmiri-disable-isolation"))
}
