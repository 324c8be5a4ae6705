//! `uncontended`: acquire and release, nobody else wants the key.
//!
//! It is what a lock costs nearly always. One task shows the way there and back, with and without cores that fall
//! asleep in between; many tasks show what the library's own work costs when the connection is busy. What a change
//! would mean: fewer cycles with one task are another round trip or another thread to wake; fewer with many, or more
//! processor time for each, are work that was added to every call.

mod rows;
mod spinners;
mod trials;

use lock_tests::Server;
use serde_json::{Value, json};

use crate::child;
use crate::cycles::Cycled;
use crate::entrant::Entrant;
use crate::extent::Extent;
use crate::plot::{Axis, Line, Plot, Scale};
use crate::report::Section;
use crate::rounds::{self, Rounds};
use crate::statistics::percentiles;
use spinners::Spinners;
use trials::{Setting, Trial};

type Samples = Rounds<Trial, Cycled>;

const HEADINGS: [&str; 3] = ["one task", "one task, no core halts", "64 tasks"];

/// Many and short: what disturbs a shared machine lasts longer than a trial, so that it spoils a few rounds whole.
const ROUNDS: usize = 21;

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, server: &Server) -> Section {
    let rounds = if extent == Extent::Full { ROUNDS } else { 1 };
    let trials = trials::all();
    let samples = rounds::run(rounds, &trials, |trial| once(trial, extent, server));
    let ours = samples.failures().into_iter().find(|(trial, ..)| trial.entrant.is_ours());
    Section {
        name: "uncontended",
        settings: vec![
            ("rounds", format!("{rounds}, every entrant in each, in a process of its own")),
            ("runtime", "multi-thread with a worker for each core, unless it says otherwise".to_owned()),
        ],
        rows: rows::all(&samples),
        headings: &HEADINGS,
        notes: notes(),
        failures: samples.told_failures(),
        samples: samples.to_json(sample),
        plots: vec![
            latencies("uncontended-latency", "one task: acquire and release", Setting::OneTask, &samples),
            latencies("uncontended-latency-spun", "one task, no core halts", Setting::OneTaskSpun, &samples),
        ],
        broken: ours.map(|(trial, round, why)| format!("round {round}, {trial}: {why}")),
    }
}

fn once(trial: Trial, extent: Extent, server: &Server) -> Result<Cycled, String> {
    server.flushall();
    let spinners = (trial.setting == Setting::OneTaskSpun).then(Spinners::start).transpose()?;
    let seen = child::ask(&trial.job(extent, server));
    drop(spinners);
    seen
}

fn notes() -> Vec<String> {
    let describe = |entrant: Entrant| format!("{}: {}", entrant.name(), entrant.describe());
    let mut notes: Vec<String> = Entrant::ALL.into_iter().map(describe).collect();
    notes.push(
        "A core that has nothing to do halts, and waking it costs more than a lock does. With a thread of the policy \
         SCHED_IDLE on each core none halts, and what is left is the lock."
            .to_owned(),
    );
    notes.push(
        "Processor time of the client is user and system time of its process; the server's includes what its kernel \
         does for it."
            .to_owned(),
    );
    notes
}

fn sample(seen: &Cycled) -> Value {
    json!({
        "cycles": seen.cycles, "cycles_per_second": seen.per_second(), "client_cpu_ns": seen.client_cpu(),
        "server_cpu_ns": seen.server_cpu(), "server_calls": seen.server_calls(),
        "latencies_ns": percents(seen).into_iter().map(|(_, latency)| latency).collect::<Vec<f64>>(),
    })
}

/// In nanoseconds, with the share of cycles that took no longer.
fn percents(seen: &Cycled) -> Vec<(f64, f64)> {
    let all: Vec<f64> = seen.latencies.iter().map(|&latency| latency as f64).collect();
    percentiles(&all)
}

fn latencies(name: &'static str, title: &str, setting: Setting, samples: &Samples) -> Plot {
    let line = |entrant: Entrant| {
        let seen = samples.last(Trial { setting, entrant });
        let points = seen.into_iter().flat_map(percents).map(|(share, latency)| (latency / 1e3, share)).collect();
        Line { name: entrant.name().to_owned(), points }
    };
    Plot {
        name,
        title: title.to_owned(),
        x: Axis { label: "latency, µs", scale: Scale::Logarithmic },
        y: Axis { label: "share of cycles", scale: Scale::Linear },
        lines: Entrant::ALL.into_iter().map(line).collect(),
    }
}
