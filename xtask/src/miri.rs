//! `cargo xtask miri`: the pure parts under Miri, which knows undefined behaviour, data races and weak memory.
//!
//! Deliberately absent: what needs a server, a second process or hours, and loom's copy of the seat's tests, which
//! brings threads of its own.

use crate::steps::run;
use crate::tools;

/// The tests of the runtime that are pure, by the beginnings of their names.
const PURE: [&str; 6] = ["core::", "store::memory::model::", "seat::", "key::", "duration::", "private::"];

/// Not these: whole fleets from many seeds, and loom's copy.
const LEFT_OUT: [&str; 2] = ["fleet::", "interleavings::"];

/// Gets Miri, then runs the tests under it.
pub(crate) fn miri(arguments: &[String]) -> Result<(), String> {
    tools::nightly("miri")?;
    let skipped: Vec<&str> = LEFT_OUT.into_iter().flat_map(|name| ["--skip", name]).collect();
    let miri = |package: &str, names: &[&str]| {
        let mut command = tools::nightly_cargo(&["miri", "test", "-p", package, "--no-default-features", "--lib"]);
        command.args(arguments).arg("--").args(names).args(&skipped);
        // The files of a test that fails, and the clock.
        run(command.env("MIRIFLAGS", "-Zmiri-disable-isolation"))
    };
    miri("lock-macros", &["key::", "duration::"])?;
    miri("lock-runtime", &PURE)
}
