//! `cargo xtask fuzz`: what reads text and replies, given anything.
//!
//! The targets are in `fuzz/`, which is no part of the workspace, as it takes a nightly compiler. Deliberately absent:
//! a corpus; what was found once becomes a test.

use crate::steps::run;
use crate::tools;

const TARGETS: [&str; 3] = ["key_template", "duration", "reply"];

/// Gets cargo-fuzz and a nightly compiler, then runs the named target, or each, for so many seconds.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), String> {
    let (seconds, names): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.parse::<u32>().is_ok());
    if let Some(unknown) = names.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        return Err(format!("there is no target `{unknown}`; the targets are {}", TARGETS.join(", ")));
    }
    tools::subcommand("fuzz")?;
    tools::nightly("rust-src")?;
    let time = format!("-max_total_time={}", seconds.first().map_or("60", |seconds| seconds.as_str()));
    for target in TARGETS.into_iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target)) {
        run(&mut tools::nightly_cargo(&["fuzz", "run", target, "--", &time]))?;
    }
    Ok(())
}
