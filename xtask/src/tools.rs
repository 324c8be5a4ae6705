//! Finds the tools that only some chores need, and installs those that are missing.
//!
//! Deliberately absent: what is done with them.

use std::process::Command;

use crate::steps::{cargo, root, run, say, succeeds};

/// Installs a subcommand of cargo, unless it is there.
pub(crate) fn subcommand(name: &str) -> Result<(), String> {
    let package = format!("cargo-{name}");
    if crate::steps::on_path(&package).is_some() {
        return Ok(());
    }
    say(&format!("there is no {package}: installing it"));
    run(&mut cargo(&["install", "--locked", &package]))
}

/// Installs the nightly toolchain and a component of it, unless they are there.
pub(crate) fn nightly(component: &str) -> Result<(), String> {
    if !succeeds("rustup", &["--version"]) {
        return Err("this takes a nightly toolchain, and there is no rustup to install it with".into());
    }
    if !succeeds("rustup", &["run", "nightly", "rustc", "--version"]) {
        say("there is no nightly toolchain: installing it");
        run(Command::new("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    run(Command::new("rustup").args(["component", "add", "--toolchain", "nightly", component]))
}

/// The cargo of the nightly toolchain, in the root of the workspace.
pub(crate) fn nightly_cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(root());
    // What the cargo that runs us set for its own toolchain.
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}
