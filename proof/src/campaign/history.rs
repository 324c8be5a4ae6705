//! What happened in one phase, put together from everybody's lines: calls, steps, faults, and when who stood still.
//!
//! What must stay true: nothing is judged here, and nothing that was written is left out.

use std::collections::BTreeMap;

use super::clock::Moment;
use super::event::{Event, Line, PollStart};
use super::fault::Fault;
use super::oracle::Deed;

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
    /// The greatest fence of each key before this phase.
    pub(crate) fences_before: BTreeMap<u64, u64>,
}

/// A worker, from its start to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    pub(crate) executor: &'static str,
    pub(crate) killed: Option<Moment>,
    /// When it stood still: stopped by the nemesis, or without a processor although it wanted one. By their begin,
    /// and apart from each other.
    pub(crate) still: Vec<Still>,
}

/// A span of time in which a process could not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Still {
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// A call of a worker's task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its place in the list of processes.
    pub(crate) process: usize,
    pub(crate) task: u32,
    pub(crate) key: u64,
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
    /// A key that nobody was granted after the last fault.
    StuckKey,
    /// A worker whose calls did not come to their end, or that ended by itself.
    StuckWorker,
    /// A key in Redis that never expires, or that was left over.
    StrayKey,
}

impl History {
    /// Takes in what a process wrote, and what is known of it besides.
    pub(crate) fn take_in(&mut self, mut process: Process, lines: &[Line]) {
        let place = self.processes.len();
        let mut open: BTreeMap<u32, Call> = BTreeMap::new();
        for line in lines {
            if let Event::Stalled { since } = line.event {
                process.still.push(Still { from: since, to: line.at });
            } else if let Event::Try { key, ttl } = line.event {
                let call = Call::new(place, line, key, ttl);
                self.calls.extend(open.insert(line.task, call));
            } else if let Some(call) = open.get_mut(&line.task) {
                call.take_in(line);
            }
        }
        self.calls.extend(open.into_values());
        process.still = merged(process.still);
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

impl Process {
    /// For how long it stood still between two moments.
    pub(crate) fn stood(&self, from: Moment, to: Moment) -> u64 {
        let shared = |still: &Still| still.to.min(to).saturating_sub(still.from.max(from));
        self.still.iter().map(shared).sum()
    }
}

impl Call {
    fn new(process: usize, line: &Line, key: u64, ttl: u64) -> Self {
        let (task, tried) = (line.task, line.at);
        let steps = Vec::new();
        Self { process, task, key, ttl, tried, grant: None, steps, dropped: None, lost: None, ended: None }
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

    /// The earliest moment at which it can have been granted: a lease is not longer than its ttl.
    pub(crate) fn granted_at_the_earliest(&self, grant: Grant) -> Moment {
        self.tried.max(grant.deadline.saturating_sub(self.ttl))
    }
}

/// The same spans, by their begin and apart from each other.
pub(crate) fn merged(mut spans: Vec<Still>) -> Vec<Still> {
    spans.sort();
    let mut apart: Vec<Still> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => apart.push(span),
        }
    }
    apart
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
        let text = "1 0 try 7 100
            2 1 try 8 100
            5 0 grant 40 90
            5 0 poll_start 4 unknown 90
            6 0 poll_end
            7 0 drop_body
            8 0 lost Stolen
            9 0 end lost
            10 0 try 7 100";
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
        let spans = [(10, 20), (15, 30), (40, 50)].map(|(from, to)| Still { from, to });
        let process = Process { still: merged(spans.to_vec()), ..Process::default() };
        assert_eq!((process.stood(0, 100), process.stood(25, 45), process.stood(31, 39)), (30, 10, 0));
    }
}
