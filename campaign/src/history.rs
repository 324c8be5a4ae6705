//! What happened in one phase, put together from everybody's lines: calls, steps, faults, and when who stood still.
//!
//! What must stay true: nothing is judged here, and nothing that was written is left out.

use std::collections::BTreeMap;

use lock_core::store::Kind;

use super::clock::Moment;
use super::event::{Event, Line, PollStart};
use super::fault::Fault;
use super::oracle::Deed;
use super::worker::{TASKS_APART, TTLS_MS};

/// The longest ttl there is, in nanoseconds.
const LONGEST_LEASE: u64 = TTLS_MS[TTLS_MS.len() - 1] * 1_000_000;

/// All that happened in one phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Whether only such faults were planted that a lock must survive.
    pub(crate) intact: bool,
    pub(crate) processes: Vec<Process>,
    pub(crate) calls: Vec<Call>,
    /// What was done to the resources, in the order in which it was done.
    pub(crate) deeds: Vec<Deed>,
    pub(crate) faults: Vec<Planted>,
    /// What was wrong with the keys in Redis, and what did not come to its end: what had to be seen live.
    pub(crate) seen: Vec<Seen>,
    /// The greatest fences of each key before this phase.
    pub(crate) fences_before: BTreeMap<u64, Fences>,
}

/// The greatest fences that a key had: of exclusive locks, and of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fences {
    pub(crate) exclusive: u64,
    pub(crate) any: u64,
}

/// A worker, from its start to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) executor: &'static str,
    pub(crate) killed: Option<Moment>,
    /// When the nemesis had stopped it.
    pub(crate) stopped: Vec<Still>,
    /// When it could not run although it wanted to, since the machine had no time for it.
    pub(crate) starved: Vec<Still>,
}

/// A span of time in which a process could not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Still {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// A call of a worker's task. One that wants several keys is there once for each, under numbers of tasks of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its place in the list of processes.
    pub(crate) process: usize,
    pub(crate) task: u32,
    pub(crate) key: u64,
    pub(crate) kind: Kind,
    /// In nanoseconds.
    pub(crate) ttl: u64,
    pub(crate) tried: Moment,
    pub(crate) grant: Option<Grant>,
    pub(crate) steps: Vec<Step>,
    pub(crate) dropped: Option<Moment>,
    pub(crate) lost: Option<(Moment, String)>,
    pub(crate) ended: Option<(Moment, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// When the body was first polled.
    pub(crate) at: Moment,
    pub(crate) fence: u64,
    pub(crate) deadline: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: Moment,
    pub(crate) start: PollStart,
    pub(crate) to: Option<Moment>,
}

/// A fault, and when it was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planted {
    pub(crate) fault: Fault,
    /// The place of the worker that it concerned.
    pub(crate) worker: Option<usize>,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// Something that had to be seen while it was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) at: Moment,
    pub(crate) kind: SeenKind,
    pub(crate) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenKind {
    /// A key that nobody was granted after the last fault, until it was given up.
    StuckKey { key: u64, until: Moment },
    /// A worker whose calls did not come to their end, or that ended by itself.
    StuckWorker,
    /// A key in Redis that never expires, or that was left over.
    StrayKey,
}

impl Fences {
    /// One more grant.
    pub(crate) fn take_in(&mut self, kind: Kind, fence: u64) {
        self.any = self.any.max(fence);
        if kind == Kind::Exclusive {
            self.exclusive = self.exclusive.max(fence);
        }
    }

    /// What the next grant of this kind must be greater than. Who hold beside each other are in no order.
    pub(crate) fn bound(self, kind: Kind) -> u64 {
        if kind == Kind::Exclusive { self.any } else { self.exclusive }
    }
}

impl History {
    /// Takes in what a process wrote, and what is known of it besides.
    pub(crate) fn take_in(&mut self, mut process: Process, lines: &[Line]) {
        let place = self.processes.len();
        let mut open: BTreeMap<u32, Call> = BTreeMap::new();
        for line in lines {
            if let Event::Stalled { since } = line.event {
                process.starved.push(Still { from: since, to: line.at });
            } else if let Event::Try { key, ttl, kind } = line.event {
                let call = Call::new(place, line, (key, kind), ttl);
                self.calls.extend(open.insert(line.task, call));
            } else if let Some(call) = open.get_mut(&line.task) {
                call.take_in(line);
            }
        }
        self.calls.extend(open.into_values());
        self.processes.push(process);
    }

    /// The calls that were granted, by key, each key's in the order in which their bodies were first polled.
    pub(crate) fn granted(&self) -> BTreeMap<u64, Vec<(&Call, Grant)>> {
        let mut by_key: BTreeMap<u64, Vec<(&Call, Grant)>> = BTreeMap::new();
        for call in &self.calls {
            if let Some(grant) = call.grant {
                by_key.entry(call.key).or_default().push((call, grant));
            }
        }
        for granted in by_key.values_mut() {
            granted.sort_by_key(|(_, grant)| grant.at);
        }
        by_key
    }

    pub(crate) fn process(&self, call: &Call) -> &Process {
        &self.processes[call.process]
    }

    /// When the body of a call was gone for certain: dropped, or killed with its process.
    pub(crate) fn gone(&self, call: &Call) -> Moment {
        call.dropped.or(self.process(call).killed).unwrap_or(Moment::MAX)
    }
}

impl Call {
    fn new(process: usize, line: &Line, (key, kind): (u64, Kind), ttl: u64) -> Self {
        let (task, tried) = (line.task, line.at);
        let steps = Vec::new();
        Self { process, task, key, kind, ttl, tried, grant: None, steps, dropped: None, lost: None, ended: None }
    }

    fn take_in(&mut self, line: &Line) {
        match &line.event {
            Event::Try { .. } | Event::Stalled { .. } => {}
            &Event::Grant { fence, deadline } => self.grant = Some(Grant { at: line.at, fence, deadline }),
            &Event::PollStart(start) => self.steps.push(Step { from: line.at, start, to: None }),
            Event::PollEnd => {
                if let Some(step) = self.steps.last_mut() {
                    step.to = Some(line.at);
                }
            }
            Event::DropBody => self.dropped = Some(line.at),
            Event::Lost { reason } => self.lost = Some((line.at, reason.clone())),
            Event::End { outcome } => self.ended = Some((line.at, outcome.clone())),
        }
    }

    /// Whether its call wanted another key before this one.
    pub(crate) fn is_one_of_several(&self) -> bool {
        self.task >= TASKS_APART
    }

    /// The earliest moment at which it can have been granted. A lease is not longer than its ttl, but that may be the
    /// ttl of somebody who held it before and handed it on within the process.
    pub(crate) fn granted_at_the_earliest(&self, grant: Grant) -> Moment {
        self.tried.max(grant.deadline.saturating_sub(LONGEST_LEASE)).min(grant.at)
    }
}

/// How much of the time between two moments these spans cover. What several of them cover counts once.
pub(crate) fn covered(spans: impl IntoIterator<Item = Still>, from: Moment, to: Moment) -> u64 {
    let within = |span: Still| Still { from: span.from.max(from), to: span.to.min(to) };
    let mut spans: Vec<Still> = spans.into_iter().map(within).filter(|span| span.from < span.to).collect();
    spans.sort_unstable();
    let (mut sum, mut reached) = (0, from);
    for span in spans {
        sum += span.to.saturating_sub(span.from.max(reached));
        reached = reached.max(span.to);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        text.lines().map(|line| line.trim().parse().expect("a line")).collect()
    }

    #[test]
    fn lines_become_calls() {
        let mut history = History::default();
        let text = "1 0 try 7 100 exclusive
            2 1 try 8 100 shared
            5 0 grant 40 90
            5 0 poll_start 4 unknown 90
            6 0 poll_end
            7 0 drop_body
            8 0 lost Stolen
            9 0 end lost
            10 0 try 7 100 1-of-3";
        history.take_in(Process::default(), &lines(text));
        assert_eq!(history.calls.len(), 3);
        let call = &history.calls[0];
        assert_eq!((call.key, call.tried, call.dropped), (7, 1, Some(7)));
        assert_eq!(call.grant, Some(Grant { at: 5, fence: 40, deadline: 90 }));
        assert_eq!((call.steps[0].from, call.steps[0].to), (5, Some(6)));
        assert_eq!((call.lost.clone(), call.ended.clone()), (Some((8, "Stolen".into())), Some((9, "lost".into()))));
        assert_eq!(history.granted()[&7].len(), 1);
    }

    #[test]
    fn time_that_was_stood_still_counts_once() {
        let spans = [(40, 50), (10, 20), (15, 30), (16, 17)].map(|(from, to)| Still { from, to });
        assert_eq!((covered(spans, 0, 100), covered(spans, 25, 45), covered(spans, 31, 39)), (30, 10, 0));
    }
}
