//! `delayed`: acquire and release when the server is a millisecond away.
//!
//! Most servers are. A relay holds everything back for half a millisecond each way, and counts how often the client
//! spoke after it had heard, which with one task is its round trips. What a change would mean: more round trips are a
//! lock that costs twice as much wherever it matters. And it decides whether `TCP_NODELAY` is on by default.

mod trials;

use lock_tests::Server;
use serde_json::{Value, json};

use crate::child;
use crate::cycles::Cycled;
use crate::entrant::Entrant;
use crate::extent::Extent;
use crate::report::Bound::{AtLeast, AtMost};
use crate::report::{Row, Section, Target};
use crate::rounds::{self, Rounds};
use trials::{ROUND_TRIP, Trial};

const HEADINGS: [&str; 1] = ["a round trip of 1 ms"];

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, server: &Server) -> Section {
    let rounds = if extent == Extent::Full { 7 } else { 1 };
    let samples = rounds::run(rounds, &trials::all(), |trial| {
        server.flushall();
        child::ask::<Cycled>(&trial.job(extent, server))
    });
    let ours = samples.failures().into_iter().find(|(trial, ..)| trial.entrant.is_ours());
    Section {
        name: "delayed",
        settings: vec![
            ("rounds", format!("{rounds}, every entrant in each, in a process of its own")),
            ("round trip", format!("{ROUND_TRIP:?}, by a relay in the client's process")),
        ],
        rows: rows(&samples),
        headings: &HEADINGS,
        notes: vec![
            "The relay sends everything at once itself; with `TCP_NODELAY` off a client's kernel holds a small write \
             back while an earlier one is not acknowledged, which a relay on the same machine does at once."
                .to_owned(),
        ],
        failures: samples.told_failures(),
        samples: samples.to_json(sample),
        plots: Vec::new(),
        broken: ours.map(|(trial, round, why)| format!("round {round}, {trial}: {why}")),
    }
}

fn rows(samples: &Rounds<Trial, Cycled>) -> Vec<Row> {
    let cycles = |trial| samples.figures(trial, |seen| Some(seen.per_second()));
    let one = Trial::one;
    let mut rows = vec![
        Row::new("1 task", "cycles/s", cycles(one(Entrant::Ours)))
            .against(Entrant::SameCommands.name(), cycles(one(Entrant::SameCommands)))
            .hoping(Target::Ratio(AtLeast(0.99)), (0, "one task against the same commands")),
        Row::new("1 task", "cycles/s", cycles(one(Entrant::Ours)))
            .against(Entrant::Bare.name(), cycles(one(Entrant::Bare)))
            .hoping(Target::Ratio(AtLeast(0.99)), (0, "against SET + EVALSHA")),
        Row::new("1 task", "round trips a cycle", round_trips(samples, Entrant::Ours))
            .against(Entrant::Bare.name(), round_trips(samples, Entrant::Bare))
            .hoping(Target::Ours(AtMost(2.0)), (0, "round trips")),
    ];
    let many = |entrant, nodelay| cycles(Trial::many(entrant, nodelay));
    rows.extend([false, true].map(|nodelay| {
        let work = if nodelay { "64 tasks, TCP_NODELAY on" } else { "64 tasks, TCP_NODELAY off" };
        Row::new(work, "cycles/s", many(Entrant::Ours, nodelay))
            .against(Entrant::SameCommands.name(), many(Entrant::SameCommands, nodelay))
    }));
    rows.push(
        Row::new("64 tasks, TCP_NODELAY on", "cycles/s", many(Entrant::Ours, true))
            .against("ours, off", many(Entrant::Ours, false)),
    );
    rows.push(
        Row::new("1 task, TCP_NODELAY on", "cycles/s", cycles(Trial { nodelay: true, ..one(Entrant::Ours) }))
            .against("ours, off", cycles(one(Entrant::Ours))),
    );
    rows
}

fn round_trips(samples: &Rounds<Trial, Cycled>, entrant: Entrant) -> Vec<Option<f64>> {
    let each = |seen: &Cycled| (seen.cycles > 0).then(|| seen.round_trips as f64 / seen.cycles as f64);
    samples.figures(Trial::one(entrant), each)
}

fn sample(seen: &Cycled) -> Value {
    json!({
        "cycles": seen.cycles, "cycles_per_second": seen.per_second(), "round_trips": seen.round_trips,
        "client_cpu_ns": seen.client_cpu(), "server_cpu_ns": seen.server_cpu(),
    })
}
