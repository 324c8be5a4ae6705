//! `cargo xtask miri`: the pure parts under Miri, which knows undefined behaviour, data races and weak memory.
//!
//! Deliberately absent: what needs a server, a second process or hours; loom's copy of the lease state's tests, which
//! brings threads of its own; and the macro crate, as Miri runs no tests of such crates.

use crate::steps::run;
use crate::tools::{self, nightly_cargo};

/// The packages with pure tests, and these tests by the beginnings of their names: all of the package's, if none is said.
const PURE: [(&str, &[&str]); 2] =
    [("lock-core", &[]), ("lock-runtime", &["engine::lease_state::", "api::options::", "__private::"])];

/// Gets Miri, then runs the tests under it.
pub(crate) fn miri(arguments: &[String]) -> Result<(), String> {
    tools::nightly("miri")?;
    for (package, tests) in PURE {
        let mut command = nightly_cargo(&["miri", "test", "-p", package, "--no-default-features", "--lib"]);
        command.args(arguments).arg("--").args(tests);
        // For the clock.
        run(command.env("MIRIFLAGS", "-Zmiri-disable-isolation"))?;
    }
    Ok(())
}
