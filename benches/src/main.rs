//! How this library does against its peers and against the floor, on one machine in one run.
//!
//! `lock-benches [NAME] [--short]` runs one benchmark, or all; `cargo xtask bench` calls it and finds the server. Each
//! writes its report to `target/bench/NAME.md` and all of its samples to `NAME.json`, tells its progress on the error
//! output, and ends its output with a summary of a few lines. It succeeds when it could measure, whether targets are
//! reached or not; it fails when this library could not be measured, or when a check that must catch something did not.
//!
//! In reading order: `contestants` is who takes part, `worker` a process in which one does, `fleet` starts some and
//! makes figures of what they tell (`holds`, `watch`), `rounds` runs everything in turn, `statistics` compares,
//! `report` tells, and `contended` is the benchmark. Deliberately absent: thresholds that fail a build, since a machine
//! that is shared has moods.

#![allow(clippy::cast_precision_loss, reason = "no figure here has more than a few digits")]

mod clock;
mod contended;
mod contestants;
mod fleet;
mod holds;
mod machine;
mod report;
mod rounds;
mod scripts;
mod statistics;
mod watch;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: lock-benches [NAME] [--short]

  contended    waiters of several processes for one lock

  --short      one short round, to see that everything works; its times mean nothing";

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    /// To see that everything works.
    Short,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "worker" => worker::run(rest).map_err(|error| error.to_string()),
        _ => bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), String> {
    let (options, names): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    let extent = match options[..] {
        [] => Extent::Full,
        ["--short"] => Extent::Short,
        _ => return Err(USAGE.to_owned()),
    };
    match names[..] {
        [] | ["contended"] => contended::bench(extent),
        _ => Err(USAGE.to_owned()),
    }
}

/// The root of the workspace that cargo runs us for; without cargo, of the one that we were built in.
pub(crate) fn root() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built_in));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}
