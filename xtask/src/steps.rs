//! Running one command: it is printed first, and a failure is a sentence.
//!
//! Deliberately absent: anything that decides which commands to run.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Tells what comes next.
pub(crate) fn say(what: &str) {
    eprintln!("==> {what}");
}

/// Prints the command, runs it, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    say(&shown);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed: {status}")),
        Err(error) => Err(format!("`{shown}` could not be started: {error}")),
    }
}

/// The cargo that runs us, in the root of the workspace.
///
/// What cargo told us about our own package is not passed on: some build scripts watch those variables, and each change
/// between `cargo xtask` and a plain cargo would build them anew.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_a_package(name)) {
        command.env_remove(name);
    }
    command
}

/// The same for builds in which faults can be planted: all that is compiled has the flag, and is kept apart, so that it
/// changes nothing in what is shipped and is not built anew in turn with it.
pub(crate) fn cargo_planted(arguments: &[&str]) -> Command {
    let (subcommand, arguments) = arguments.split_first().expect("a subcommand comes first");
    let mut command = cargo(&[subcommand, "--target-dir", "target/planted"]);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.args(arguments).env("RUSTFLAGS", format!("{flags} --cfg lock_planted"));
    command
}

fn is_about_a_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Whether a command can be run and succeeds; what it prints is not shown.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let status =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The first program of this name on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The root of the workspace that cargo runs us for. Checkouts that share a target directory share this program, so
/// what it was compiled in says little.
pub(crate) fn root() -> PathBuf {
    let compiled_in = || env!("CARGO_MANIFEST_DIR").into();
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(compiled_in));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains(char::is_whitespace) { format!("'{word}'") } else { word.into_owned() }
}
