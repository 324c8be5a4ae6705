//! `contended`: waiters of several processes for one lock.
//!
//! `trials` is what is run, `rows` what is made of it. Every run of a contestant checks exclusion from the merged logs
//! of all processes, and a contestant without a lock shows that this check sees. What a change of a figure would mean:
//! more commands a hand-over are a server that serves fewer fleets; a ratio that falls is a hand-over that waits for
//! something; a longest wait that grows is a waiter that is forgotten.

mod plots;
mod rows;
mod trials;

use lock_tests::Server;
use serde_json::{Value, json};

use crate::contestants::Contestant;
use crate::extent::Extent;
use crate::fleet::{self, HELD_AT_ONCE, Ran};
use crate::report::Section;
use crate::rounds::{self, Rounds};
use crate::statistics;
use trials::{Setting, Trial};

/// What was seen, trial by trial and round by round.
type Samples = Rounds<Trial, Ran>;

/// How the lines of the summary begin; the rows say which is theirs.
const HEADINGS: [&str; 3] = ["hand-overs by the server, 4 × 4", "as shipped", "release to a body elsewhere"];

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, server: &Server) -> Section {
    let rounds = if extent == Extent::Full { 7 } else { 1 };
    let control = fleet::run(server, &Trial::CONTROL.workload(extent));
    let samples = rounds::run(rounds, &trials::all(), |trial| fleet::run(server, &trial.workload(extent)));
    let ours = samples.failures().into_iter().find(|(trial, ..)| trial.contestant.is_ours());
    let ours = ours.map(|(trial, round, why)| format!("round {round}, {trial}: {why}"));
    Section {
        name: "contended",
        settings: vec![
            ("rounds", format!("{rounds}, every contestant in each")),
            ("workers", "one current-thread runtime in each process, the same for all contestants".to_owned()),
        ],
        rows: rows::all(&samples),
        headings: &HEADINGS,
        notes: notes(&samples),
        failures: samples.told_failures(),
        samples: samples.to_json(sample),
        plots: plots::all(&samples),
        broken: caught(control).err().or(ours),
    }
}

/// The check of exclusion has to see those who do not lock.
fn caught(control: Result<Ran, String>) -> Result<(), String> {
    match control {
        Err(why) if why.starts_with(HELD_AT_ONCE) => Ok(()),
        Err(why) => Err(format!("the control could not be run: {why}")),
        Ok(_) => Err("waiters without a lock were not caught: the check of exclusion is blind".to_owned()),
    }
}

fn notes(samples: &Samples) -> Vec<String> {
    let mut notes: Vec<String> = Contestant::ALL
        .into_iter()
        .filter(|contestant| trials::all().iter().any(|trial| trial.contestant == *contestant))
        .map(|contestant| format!("{}: {}", contestant.name(), contestant.describe()))
        .collect();
    notes.push(
        "A hand-over is a hold whose owner is another waiter than that of the hold before it. Exclusion was checked in \
         every run, and a control without a lock was run to see that the check sees."
            .to_owned(),
    );
    notes.push(
        "Commands are those that clients sent, from runs of their own that were watched by MONITOR, from the start to \
         the last release. What a script calls does not count. Looks count too: they and the first question of a \
         waiter are one script, which the server cannot tell apart."
            .to_owned(),
    );
    notes.push("The p99 of a round in which a process releases 25 times is its longest latency.".to_owned());
    notes.extend(trials::all().into_iter().filter(|trial| trial.watched).filter_map(|trial| {
        let ran = samples.last(trial)?;
        let (count, what) =
            if trial.setting == Setting::OneProcess { (ran.holds, "hold") } else { (ran.handovers, "hand-over") };
        Some(format!("commands for each {what}, {trial}: {}", ran.sent.as_ref()?.itemized(count)))
    }));
    notes
}

fn sample(ran: &Ran) -> Value {
    json!({
        "holds": ran.holds, "handovers": ran.handovers,
        "holds_per_second": ran.holds_per_second, "handovers_per_second": ran.handovers_per_second,
        "longest_wait_ns": ran.longest_wait, "fewest_over_most_holds": ran.fairness,
        "latencies_ns": latencies(ran), "commands": ran.sent.as_ref().map(crate::watch::Sent::to_json),
    })
}

/// All of them where there are few; else a hundred, evenly spread over the ranks.
fn latencies(ran: &Ran) -> Vec<f64> {
    let all: Vec<f64> = ran.latencies.iter().map(|&latency| latency as f64).collect();
    if all.len() <= 100 { all } else { statistics::percentiles(&all).into_iter().map(|(_, latency)| latency).collect() }
}
