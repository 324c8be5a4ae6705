//! One phase: a fleet at work, faults of one kind, calm, and the end; it becomes a history.
//!
//! A phase begins with a fleet of its own and ends when no process of it is left, so that what a broken assumption did
//! to one phase says nothing about the next.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use lock_tests::{Pair, TemporaryDir};

use super::clock::{nanos, now};
use super::event::Line;
use super::fleet::Fleet;
use super::history::{History, Seen, SeenKind};
use super::nemesis::{self, Plan, Script};
use super::oracle::{Oracle, SOCKET};
use super::scan;
use super::worker::TTLS_MS;

/// How many keys there are.
const KEYS: u64 = 5;
/// How much later than by the longest ttl a key may be granted again on a machine that is busy: a second, and a cap
/// that is generous.
const GRACE: Duration = Duration::from_secs(6);

/// Which faults, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) intact: bool,
    pub(crate) lasts: Duration,
    pub(crate) seed: u64,
    /// Whether anything goes wrong at all.
    pub(crate) has_faults: bool,
}

/// What is known after a phase.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) history: History,
    /// What each process wrote.
    pub(crate) lines: Vec<Vec<Line>>,
    pub(crate) script: Script,
    pub(crate) seed: u64,
}

/// Runs it.
pub(crate) fn run(servers: &mut Pair, phase: Phase, without_lock: bool) -> Ran {
    let port = servers.primary().port();
    let keys: Vec<u64> = (0..KEYS).collect();
    let directory = TemporaryDir::new("campaign");
    let oracle = Oracle::listen(&directory.path().join(SOCKET));
    let mut fleet = Fleet::start(directory.path(), port, KEYS, phase.seed, without_lock);
    let script = Script::new();
    let until = now() + nanos(phase.lasts);
    let (primary, networks) = (AtomicU16::new(port), fleet.networks());
    let plan = Plan { seed: phase.seed, until, intact: phase.intact, keys: &keys, script: &script };
    let over = AtomicBool::new(false);
    let mut seen = Vec::new();
    let (processes, in_fleet) = std::thread::scope(|scope| {
        let scanner = scope.spawn(|| scan::scan(&primary, &over));
        if phase.has_faults {
            let in_server = scope.spawn(|| nemesis::trouble_server(servers, &networks, &primary, &plan));
            nemesis::trouble_workers(&mut fleet, &plan);
            in_server.join().expect("the nemesis of the server comes to its end");
        } else {
            // The workers work for as long as was asked for.
            std::thread::sleep(phase.lasts);
        }
        seen.extend(stuck_keys(&oracle, &keys, &primary));
        let finished = fleet.finish();
        over.store(true, Ordering::Relaxed);
        seen.extend(scanner.join().expect("the scan comes to its end"));
        finished
    });
    seen.extend(in_fleet);
    seen.extend(scan::leftovers(servers.primary().port(), patience()));
    let mut history = History { intact: phase.intact, deeds: oracle.deeds(), seen, ..History::default() };
    history.faults = script.planted();
    let mut lines = Vec::new();
    for (process, its_lines) in processes {
        history.take_in(process, &its_lines);
        lines.push(its_lines);
    }
    Ran { history, lines, script, seed: phase.seed }
}

/// The longest ttl and some grace.
fn patience() -> Duration {
    TTLS_MS.into_iter().max().map(Duration::from_millis).unwrap_or_default() + GRACE
}

/// The keys that nobody is granted after the last fault.
fn stuck_keys(oracle: &Oracle, keys: &[u64], primary: &AtomicU16) -> Vec<Seen> {
    let calm = now();
    let missing = oracle.not_entered_since(calm, keys, patience());
    let until = now();
    if missing.is_empty() {
        println!("all keys were granted anew within {:.3}s", Duration::from_nanos(until - calm).as_secs_f64());
    }
    let stuck = |key| {
        let there = scan::told(primary.load(Ordering::Relaxed), &super::store::name(key));
        let what = format!("key {key}: nobody is granted it; in Redis there is {there}");
        Seen { at: calm, kind: SeenKind::StuckKey { key, until }, what }
    };
    missing.into_iter().map(stuck).collect()
}
