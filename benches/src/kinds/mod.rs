//! `kinds`: shared locks, permits, and two keys at once.
//!
//! `trials` is what fleets run, `cycling` what one task does again and again, `rows` what is made of both. Every run of
//! a fleet checks from the merged logs of all processes that nobody came in without room, and two controls without a
//! lock show that this check sees. What a change of a figure would mean: readers that gain less over an exclusive lock
//! wait for each other; a writer's waits that spread are writers that are passed; a cycle that grows with the number of
//! holders is something that the server searches.

mod cycling;
mod rows;
mod trials;

use lock_tests::Server;
use serde_json::{Value, json};

use crate::child;
use crate::contestants::Contestant;
use crate::cycles::Cycled;
use crate::extent::Extent;
use crate::fleet::{self, HELD_AT_ONCE, Ran};
use crate::report::Section;
use crate::rounds::{self, Rounds};
use crate::watch::Sent;
use cycling::Cycle;
pub(crate) use cycling::Round;
use trials::Trial;

const HEADINGS: [&str; 4] = ["64 readers", "9 readers to a writer", "5 permits, 20 waiters", "alone"];

/// What was seen, trial by trial and round by round.
struct Samples {
    fleets: Rounds<Trial, Ran>,
    cycles: Rounds<Cycle, Cycled>,
}

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, server: &Server) -> Section {
    let rounds = if extent == Extent::Full { 7 } else { 1 };
    let controls = Trial::CONTROLS.map(|control| caught(control, fleet::run(server, &control.workload(extent))));
    let samples = Samples {
        fleets: rounds::run(rounds, &trials::all(), |trial| fleet::run(server, &trial.workload(extent))),
        cycles: rounds::run(rounds, &Cycle::ALL, |cycle| cycled(cycle, extent, server)),
    };
    let mut failures = samples.fleets.told_failures();
    failures.extend(samples.cycles.told_failures());
    Section {
        name: "kinds",
        settings: vec![
            ("rounds", format!("{rounds}, every contestant in each")),
            ("workers", "4 processes with a current-thread runtime each, the same for all contestants".to_owned()),
            ("bodies", "2 ms of sleep, which the runtime makes a little more".to_owned()),
            ("alone", "one task of a process of its own, on a current-thread runtime".to_owned()),
        ],
        rows: rows::all(&samples),
        headings: &HEADINGS,
        notes: notes(&samples),
        failures,
        samples: json!({ "fleets": samples.fleets.to_json(ran), "alone": samples.cycles.to_json(cycle) }),
        plots: Vec::new(),
        broken: controls.into_iter().find_map(Result::err).or_else(|| ours_failed(&samples)),
    }
}

fn cycled(cycle: Cycle, extent: Extent, server: &Server) -> Result<Cycled, String> {
    server.flushall();
    child::ask(&Round::new(cycle, server.url(), extent))
}

/// The check of exclusion has to see those who do not lock.
fn caught(control: Trial, seen: Result<Ran, String>) -> Result<(), String> {
    match seen {
        Err(why) if why.starts_with(HELD_AT_ONCE) => Ok(()),
        Err(why) => Err(format!("the control could not be run: {why}")),
        Ok(_) => Err(format!("{control}: the check of exclusion is blind")),
    }
}

fn ours_failed(samples: &Samples) -> Option<String> {
    let of_fleets = samples.fleets.failures().into_iter().filter(|(trial, ..)| trial.contestant.is_ours());
    let of_cycles = samples.cycles.failures().into_iter().filter(|(cycle, ..)| cycle.is_ours());
    let of_fleets = of_fleets.map(|(trial, round, why)| format!("round {round}, {trial}: {why}"));
    of_fleets.chain(of_cycles.map(|(cycle, round, why)| format!("round {round}, {cycle}: {why}"))).next()
}

fn notes(samples: &Samples) -> Vec<String> {
    let takes_part = |contestant: &Contestant| trials::all().iter().any(|trial| trial.contestant == *contestant);
    let mut notes: Vec<String> = Contestant::ALL
        .into_iter()
        .filter(takes_part)
        .map(|contestant| format!("{}: {}", contestant.name(), contestant.describe()))
        .collect();
    notes.extend(
        [
            "A run in which somebody came in without room is a failure and no figure: a writer beside anybody, a \
             sixth permit of five. Controls without a lock were run to see that the check sees.",
            "One hold of a waiter in ten is a writer's. Its wait lasts from its question to its body's first \
             instruction, after the end too; who asked in the first tenth of a run is left out.",
            "Commands are those that clients sent, from runs of their own that were watched by MONITOR; what a script \
             calls does not count.",
            "Holders beside whom one task acquires and releases are clients with connections of their own. Scripts' \
             time is what the server counts for EVALSHA in `INFO commandstats`, what they call included; processor \
             time includes what its kernel does for it.",
        ]
        .map(str::to_owned),
    );
    notes.extend(trials::all().into_iter().filter(|trial| trial.watched).filter_map(|trial| {
        let ran = samples.fleets.last(trial)?;
        Some(format!("commands for each hold, {trial}: {}", ran.sent.as_ref()?.itemized(ran.holds)))
    }));
    notes
}

fn ran(ran: &Ran) -> Value {
    json!({
        "holds": ran.holds, "holds_per_second": ran.holds_per_second, "most_at_once": ran.most_at_once,
        "longest_wait_ns": ran.longest_wait, "exclusive_waits_ns": ran.exclusive_waits,
        "commands": ran.sent.as_ref().map(Sent::to_json),
    })
}

fn cycle(seen: &Cycled) -> Value {
    json!({
        "cycles": seen.cycles, "cycles_per_second": seen.per_second(), "server_cpu_ns": seen.server_cpu(),
        "scripts_ns": seen.scripts(), "server_calls": seen.server_calls(),
    })
}
