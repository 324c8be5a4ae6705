//! `held`: ten thousand and a hundred thousand locks, held for half a minute and renewed by themselves.
//!
//! `trial` is what a process of its own does, `takers` who takes part. What a change of a figure would mean: more
//! memory a lock or more processor time are fewer locks that a program can afford to hold; more commands are a server
//! that serves fewer programs; a lock that is lost is a fault.

mod takers;
mod trial;

use std::time::Duration;

use lock_tests::Server;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::child::{self, Job};
use crate::contestants::Outcome;
use crate::extent::Extent;
use crate::report::Bound::AtMost;
use crate::report::{Row, Section, Target, Unit};
pub(crate) use takers::{Bare, Ours, TASKS, Taker, Taking, on_one_thread};
pub(crate) use trial::{Ending, Seen, Trial, shares};

const HEADINGS: [&str; 2] = ["100,000 locks held", "10,000 guards dropped"];
const TTL: Duration = Duration::from_secs(10);
const MEGABYTE: f64 = 1_000_000.0;

/// What a process of its own can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    url: String,
    trial: Trial,
}

impl Job for Held {
    const NAME: &'static str = "held";

    fn run(self) -> Outcome<()> {
        child::say(&trial::run(&self.url, self.trial)?)
    }
}

/// What was seen of one number of locks.
struct Pair {
    work: &'static str,
    locks: usize,
    ours: Result<Seen, String>,
    bare: Result<Seen, String>,
}

/// Runs it, and tells what it saw.
pub(crate) fn bench(extent: Extent, server: &Server) -> Section {
    let (numbers, held_for, ttl) = match extent {
        Extent::Full => ([("10,000 locks", 10_000), ("100,000 locks", 100_000)], Duration::from_secs(30), TTL),
        Extent::Short => ([("100 locks", 100), ("200 locks", 200)], Duration::from_secs(1), TTL / 10),
    };
    let pairs = numbers.map(|(work, locks)| {
        let of = |taker, held_for| ask(server, &Trial { taker, locks, held_for, ttl, ending: Ending::Released });
        Pair { work, locks, ours: of(Taker::Ours, held_for), bare: of(Taker::Bare, Duration::ZERO) }
    });
    let (work, locks) = numbers[0];
    let dropped = Trial { taker: Taker::Ours, locks, held_for: Duration::ZERO, ttl, ending: Ending::Dropped };
    let dropped = ask(server, &dropped);
    let failures: Vec<String> = pairs.iter().flat_map(failures).chain(failed("dropped", &dropped)).collect();
    let mut rows: Vec<Row> = pairs.iter().enumerate().flat_map(|(n, pair)| rows(pair, n == 1)).collect();
    rows.extend(dropped_rows(work, dropped.as_ref().ok()));
    Section {
        name: "held",
        settings: vec![
            ("runs", "one of each, in a process of its own".to_owned()),
            ("held", format!("{held_for:?}, ttl {ttl:?}, renewed by themselves")),
            ("tasks", format!("{TASKS}, on a current-thread runtime, over one connection")),
        ],
        rows,
        headings: &HEADINGS,
        notes: notes(),
        broken: failures.first().cloned(),
        failures,
        samples: pairs
            .iter()
            .map(|pair| json!({ "locks": pair.locks, "ours": pair.ours, "bare": pair.bare }))
            .collect(),
        plots: Vec::new(),
    }
}

/// Has a trial done by a process of its own, at an empty server.
pub(crate) fn ask(server: &Server, trial: &Trial) -> Result<Seen, String> {
    eprintln!("{} locks, {:?}, held for {:?}", trial.locks, trial.taker, trial.held_for);
    server.flushall();
    child::ask(&Held { url: server.url(), trial: *trial })
}

fn failures(pair: &Pair) -> Vec<String> {
    let missing = pair.ours.as_ref().ok().filter(|seen| seen.lost > 0 || seen.missing > 0);
    let missing = missing
        .map(|seen| format!("{}: {} locks were lost, and {} keys were not there", pair.work, seen.lost, seen.missing));
    failed(pair.work, &pair.ours).into_iter().chain(failed(pair.work, &pair.bare)).chain(missing).collect()
}

fn failed(work: &str, seen: &Result<Seen, String>) -> Option<String> {
    seen.as_ref().err().map(|why| format!("{work}: {why}"))
}

type Figure = fn(&Seen) -> Option<f64>;

fn rows(pair: &Pair, is_summed_up: bool) -> Vec<Row> {
    let row = |measure: &str, unit, figure: Figure, bound: Option<f64>, name| Row {
        work: pair.work,
        measure: measure.to_owned(),
        unit,
        ours: vec![pair.ours.as_ref().ok().and_then(figure)],
        peer: None,
        target: bound.map(|most| Target::Ours(AtMost(most))),
        summary: is_summed_up.then_some((0, name)),
    };
    let beside = |row: Row, figure: Figure, most: Option<f64>| Row {
        peer: Some(("redis-rs", vec![pair.bare.as_ref().ok().and_then(figure)])),
        target: most.map(|most| Target::Ratio(AtMost(most))).or(row.target),
        summary: row.summary.filter(|_| most.is_some() || row.target.is_some()),
        ..row
    };
    let taking: Figure = |seen| Some(seen.taking.as_nanos() as f64);
    let releasing: Figure = |seen| Some(seen.giving_back.as_nanos() as f64);
    let memory: Figure = |seen| Some(seen.memory as f64 / MEGABYTE);
    vec![
        row("lost", Unit::Number, |seen| Some((seen.lost + seen.missing) as f64), Some(0.0), "lost"),
        row("% of a core while held", Unit::Number, percent_of_a_core, Some(2.0), "% of a core"),
        beside(row("MB above idle", Unit::Number, memory, Some(40.0), "MB"), memory, None),
        row("commands/s while held", Unit::Number, commands_a_second, Some(1000.0), "commands/s"),
        beside(row("to take all", Unit::Time, taking, None, "taken in"), taking, Some(1.5)),
        beside(row("to release all", Unit::Time, releasing, None, "released in"), releasing, None),
    ]
}

fn dropped_rows(work: &'static str, seen: Option<&Seen>) -> [Row; 2] {
    let row = |measure: &str, unit, figure: Option<f64>, most, name| Row {
        work,
        measure: measure.to_owned(),
        unit,
        ours: vec![figure],
        peer: None,
        target: Some(Target::Ours(AtMost(most))),
        summary: Some((1, name)),
    };
    let time = seen.map(|seen| seen.giving_back.as_nanos() as f64);
    let left = seen.map(|seen| seen.left as f64);
    [
        row("dropped, until the shutdown is over", Unit::Time, time, 1e9, "shut down in"),
        row("keys left by the shutdown", Unit::Number, left, 0.0, "keys left"),
    ]
}

/// Of one core.
pub(crate) fn percent_of_a_core(seen: &Seen) -> Option<f64> {
    let held = seen.held?;
    Some(held.client_cpu.as_secs_f64() / held.wall.as_secs_f64() * 100.0)
}

fn commands_a_second(seen: &Seen) -> Option<f64> {
    Some(seen.scripts as f64 / seen.held?.wall.as_secs_f64())
}

fn notes() -> Vec<String> {
    let notes = [
        "`redis-rs` is SET NX PX to take and a compare-and-delete by EVALSHA to release, by as many tasks over one \
         multiplexed connection, without renewals and fences: a floor.",
        "MB above idle is resident memory with all held, less that after connecting and one lock; the guards, the \
         keys, and what the allocator keeps of the taking are in it (for redis-rs: keys and tokens).",
        "Commands are calls of scripts, which is all that is sent while locks are held; what scripts call is not \
         counted. Lost are locks that are no longer held at the end, and keys that are not in the server.",
    ];
    notes.map(str::to_owned).into()
}
