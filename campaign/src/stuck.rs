//! What is told of a key that nobody was granted: who had it last, who came for it in vain, what everybody was at, and
//! whether the machine had time for them.
//!
//! What must stay true: it is short enough for a log, some 200 lines for all keys. Deliberately absent: why it was so.

use std::time::Duration;

use super::clock::Moment;
use super::event::word;
use super::history::{Call, History, SeenKind, covered};
use super::nemesis::Script;

/// How many of its last grants are told of a key, and how many of the last calls that were granted nothing.
const GRANTS: usize = 10;
const VAIN: usize = 20;
/// How many calls are told that were under way when the last key was given up.
const OPEN: usize = 40;

/// Some lines on all keys that were stuck; none if there were none.
pub(crate) fn tell(history: &History, script: &Script) -> Vec<String> {
    let mut lines = Vec::new();
    let mut awaited = None;
    for seen in &history.seen {
        let SeenKind::StuckKey { key, until } = seen.kind else { continue };
        awaited = Some((seen.at, until));
        lines.push(format!("key {key}, which was given up at {}: its last grants", script.time(until)));
        let calls = || history.calls.iter().filter(|call| call.key == key && call.tried <= until);
        lines.extend(last(calls().filter(|call| call.grant.is_some()), GRANTS, history, script));
        lines.push("and the last calls that were granted nothing".to_owned());
        lines.extend(last(calls().filter(|call| call.grant.is_none()), VAIN, history, script));
    }
    if let Some((since, until)) = awaited {
        lines.push("all calls that were under way then".to_owned());
        lines.extend(last(history.calls.iter().filter(|call| is_open(history, call, until)), OPEN, history, script));
        lines.push(format!("of the {} for which the keys were awaited", seconds(until - since)));
        let alive = history.processes.iter().enumerate().filter(|(_, process)| process.killed.is_none());
        lines.extend(alive.map(|(place, process)| {
            let starved = covered(process.starved.iter().copied(), since, until);
            format!("  a thread of worker {place} had no processor for {}", seconds(starved))
        }));
    }
    lines
}

fn seconds(nanos: u64) -> String {
    format!("{:.3}s", Duration::from_nanos(nanos).as_secs_f64())
}

/// Whether a call had begun at that moment and had not come to its end.
fn is_open(history: &History, call: &Call, moment: Moment) -> bool {
    call.tried <= moment && end(history, call).is_none_or(|end| end > moment)
}

/// When a call was over, or its process.
fn end(history: &History, call: &Call) -> Option<Moment> {
    call.ended.as_ref().map(|&(at, _)| at).or(history.process(call).killed)
}

/// The last of these calls by their ends, a line each.
fn last<'a>(
    calls: impl Iterator<Item = &'a Call>,
    most: usize,
    history: &History,
    script: &Script,
) -> impl Iterator<Item = String> {
    let mut calls: Vec<&Call> = calls.collect();
    calls.sort_by_key(|call| (end(history, call).unwrap_or(Moment::MAX), call.tried));
    let lines: Vec<String> = calls.iter().rev().take(most).rev().map(|call| line(call, history, script)).collect();
    lines.into_iter()
}

fn line(call: &Call, history: &History, script: &Script) -> String {
    let process = history.process(call);
    let mut line = format!(
        "  {} worker {} ({}) task {} wants key {}, {}, for {} ms",
        script.time(call.tried),
        call.process,
        process.executor,
        call.task,
        call.key,
        word(call.kind),
        call.ttl / 1_000_000,
    );
    let mut add = |what: String, at: Moment| line.extend([", ", &what, " ", script.time(at).trim()]);
    if let Some(grant) = call.grant {
        add(format!("fence {}", grant.fence), grant.at);
        add("until".to_owned(), grant.deadline);
    }
    if let Some(at) = call.dropped {
        add("gone".to_owned(), at);
    }
    if let Some((at, reason)) = &call.lost {
        add(format!("lost by {reason}"), *at);
    }
    match (&call.ended, process.killed) {
        (Some((at, outcome)), _) => add(outcome.clone(), *at),
        (None, Some(at)) => add("killed".to_owned(), at),
        (None, None) => line.push_str(", without an end"),
    }
    line
}

#[cfg(test)]
mod tests {
    use lock_core::store::Kind;

    use super::*;
    use crate::history::{Process, Seen, Still};

    const MS: Moment = 1_000_000;

    /// A call of the key that was refused after a millisecond.
    fn refused(key: u64, tried: Moment) -> Call {
        let (process, task, ttl) = (0, 0, 300 * MS);
        let (grant, steps, dropped, lost) = Default::default();
        Call {
            process,
            task,
            key,
            kind: Kind::Exclusive,
            ttl,
            tried,
            grant,
            steps,
            dropped,
            lost,
            ended: Some((tried + MS, "busy".into())),
        }
    }

    fn told(calls: Vec<Call>) -> Vec<String> {
        let kind = SeenKind::StuckKey { key: 1, until: 500 * MS };
        let seen = vec![Seen { at: 100 * MS, kind, what: String::new() }];
        let starved = vec![Still { from: 50 * MS, to: 150 * MS }, Still { from: 450 * MS, to: 600 * MS }];
        let processes = vec![Process { starved, ..Process::default() }];
        tell(&History { processes, calls, seen, ..History::default() }, &Script::since(0))
    }

    #[test]
    fn the_last_calls_for_a_stuck_key_are_told_and_those_under_way() {
        let late = refused(1, 501 * MS);
        let waiting = Call { ended: Some((700 * MS, "done".into())), ..refused(2, 400 * MS) };
        let lines = told(vec![refused(1, 300 * MS), waiting, refused(2, 300 * MS), late]);
        let told: Vec<&str> = lines.iter().map(String::as_str).filter(|line| line.starts_with("  ")).collect();
        assert_eq!(
            told,
            [
                "    +0.300s worker 0 () task 0 wants key 1, exclusive, for 300 ms, busy +0.301s",
                "    +0.400s worker 0 () task 0 wants key 2, exclusive, for 300 ms, done +0.700s",
                "  a thread of worker 0 had no processor for 0.100s",
            ]
        );
    }

    #[test]
    fn what_is_told_is_short() {
        let lines = told((0..1_000).map(|at| refused(1, at)).collect());
        assert_eq!(lines.len(), 5 + VAIN);
        assert!(tell(&History::default(), &Script::since(0)).is_empty());
    }
}
