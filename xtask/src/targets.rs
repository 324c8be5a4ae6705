//! `cargo xtask targets`: the runtime compiles for systems that no test runs on.
//!
//! Deliberately absent: TLS, whose cryptography wants a C compiler for each of them, and running anything.

use std::process::Command;

use crate::steps::{cargo, run, say, succeeds};

/// Those whose clocks, forks and ends differ.
const TARGETS: [&str; 5] = [
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-freebsd",
    "aarch64-unknown-linux-musl",
];

/// Installs the standard library of each, then checks the runtime for it, with warnings as errors.
pub(crate) fn targets(arguments: &[String]) -> Result<(), String> {
    if !succeeds("rustup", &["--version"]) {
        return Err(
            "this takes the standard libraries of other targets, and there is no rustup to get them with".into()
        );
    }
    run(Command::new("rustup").args(["target", "add"]).args(TARGETS))?;
    for target in TARGETS {
        say(target);
        let check = ["check", "--locked", "-p", "lock-runtime", "--target", target];
        run(cargo(&check).args(arguments).env("RUSTFLAGS", "-D warnings"))?;
    }
    Ok(())
}
