//! How this library does against its peers and against the floor, on one machine in one run.
//!
//! `lock-benches [NAME] [--short]` runs one benchmark, or all; `cargo xtask bench` calls it and finds the server. It
//! writes a report to `target/bench/report.md`, and beside it all samples and the plots; it tells its progress on the
//! error output, and ends its output with a summary of a few lines. It succeeds when it could measure, whether targets
//! are reached or not; it fails when this library could not be measured, or when a check that must catch something did
//! not.
//!
//! In reading order: `contestants` is who takes part, `worker` a process in which one does, `fleet` starts some and
//! makes figures of what they tell (`kind`, `holds`, `watch`), `child` is a process for one of the `jobs` and `usage` what it
//! used, `rounds` runs everything in turn, `statistics` compares, `report` and `plot` tell, and the rest are the
//! benchmarks. Deliberately absent: thresholds that fail a build, since a machine that is shared has moods.

#![allow(clippy::cast_precision_loss, reason = "no figure here has more than a few digits")]

mod attribute;
mod checkout;
mod child;
mod clock;
mod compiling;
mod contended;
mod contestants;
mod crowd;
mod cycles;
mod delayed;
mod distance;
mod entrant;
mod extent;
mod fleet;
mod growth;
mod held;
mod holds;
mod jobs;
mod kind;
mod kinds;
mod machine;
mod plot;
mod polls;
mod progress;
mod report;
mod rounds;
mod scripts;
mod statistics;
mod uncontended;
mod usage;
mod watch;
mod worker;

use std::process::ExitCode;

use lock_tests::Server;

use extent::Extent;
use report::{Report, Section};

const USAGE: &str = "usage: lock-benches [NAME] [--short]

  uncontended  acquire and release, by one task and by 64
  delayed      the same with a round trip of 1 ms
  contended    waiters of several processes for one lock
  kinds        readers and writers, permits, two keys at once
  held         very many locks in one process
  growth       what one lock costs among many
  crowd        very many waiters of one process, each for a key of its own
  attribute    an annotated function by itself, on the memory store
  polls        what a lock adds to each poll of a body
  compiling    how long a program that depends on it takes to compile

  --short      one short round, to see that everything works; its times mean nothing";

type Bench = fn(Extent, &Server) -> Section;

/// All there are, in the order of the report.
const BENCHES: [(&str, Bench); 10] = [
    ("uncontended", uncontended::bench),
    ("delayed", delayed::bench),
    ("contended", contended::bench),
    ("kinds", kinds::bench),
    ("held", held::bench),
    ("growth", growth::bench),
    ("crowd", crowd::bench),
    ("attribute", attribute::bench),
    ("polls", polls::bench),
    ("compiling", compiling::bench),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "worker" => worker::run(rest).map_err(|error| error.to_string()),
        Some((first, rest)) if first == "child" => jobs::run(rest).map_err(|error| error.to_string()),
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
    let chosen = |(name, _): &&(&str, Bench)| names.is_empty() || names[..] == [*name];
    let benches: Vec<_> = BENCHES.iter().filter(chosen).collect();
    if benches.is_empty() {
        return Err(USAGE.to_owned());
    }
    let server = Server::redis();
    let facts = machine::facts(&server);
    let sections = benches.into_iter().map(|(_, bench)| bench(extent, &server)).collect();
    let report = Report { extent, facts, sections };
    report.publish()?;
    let broken: Vec<&str> = report.sections.iter().filter_map(|section| section.broken.as_deref()).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}
