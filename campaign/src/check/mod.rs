//! The checks: pure functions from a history to what is wrong with it.
//!
//! What must stay true: nothing here knows a clock, a file or a server. A holder is excused for what it did because it
//! stood still, by exactly as much as it stood still, and for nothing else. A process stands still when the nemesis
//! stopped it, when the kernel says that it waited for a processor, and, for one body, in the part of a step that is
//! longer than the margin, since bodies here never mean to take as long. What was excused is counted.

mod fences;
mod resources;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::clock::{Moment, margin, nanos};
use super::fault::Fault;
use super::history::{Call, History, Process, SeenKind, Step, Still, covered};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    /// Two bodies were there at once.
    Overlap,
    /// A fence that is not greater than that of an earlier grant.
    FenceRegression,
    /// A step that began at or after the deadline.
    LatePoll,
    /// A register that compares fences let the wrong one in, or kept the right one out.
    WrongWriter,
    /// An increment that was overwritten.
    LostUpdate,
    /// A call or a body without an end, or a loss that was told before its body was gone.
    Unended,
    /// A key that nobody was granted any more.
    StuckKey,
    /// A call that did not come back, or a worker that ended by itself.
    StuckWaiter,
    /// A key in Redis without an expiry, or one that was left over.
    StrayKey,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) at: Moment,
    /// For how long it was so, in nanoseconds, where that can be said.
    pub(crate) lasted: u64,
    pub(crate) what: String,
}

/// Why something is not wrong that would be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excuse {
    /// The nemesis had stopped the process.
    Stopped,
    /// The machine had no time for the process, as far as the nemesis alone does not explain it.
    Starved,
}

/// What a check has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) findings: Vec<Finding>,
    /// What would be wrong, had the one who did it not stood still.
    pub(crate) excused: Vec<(Finding, Excuse)>,
    /// What would be wrong, had nothing broken the assumptions; with what did.
    pub(crate) caused: Vec<(Finding, Option<Fault>)>,
}

/// All checks.
pub(crate) fn judge(history: &History) -> Judged {
    let mut judged = Judged::default();
    judged.add_if_intact(history, overlaps(history));
    judged.add(fences::regressions(history));
    judged.add(late_polls(history));
    judged.add(resources::wrong_writers(history));
    judged.add_if_intact(history, resources::lost_updates(history));
    judged.add(unended(history));
    judged.add(seen(history));
    judged
}

impl Check {
    pub(crate) const ALL: [Self; 9] = [
        Self::Overlap,
        Self::FenceRegression,
        Self::LatePoll,
        Self::WrongWriter,
        Self::LostUpdate,
        Self::Unended,
        Self::StuckKey,
        Self::StuckWaiter,
        Self::StrayKey,
    ];

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Overlap => "overlaps",
            Self::FenceRegression => "fence regressions",
            Self::LatePoll => "late polls",
            Self::WrongWriter => "wrong writers",
            Self::LostUpdate => "lost updates",
            Self::Unended => "unended calls",
            Self::StuckKey => "stuck keys",
            Self::StuckWaiter => "stuck waiters",
            Self::StrayKey => "stray keys",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.check.plural(), self.at, self.what)
    }
}

impl Judged {
    fn add(&mut self, one: Self) {
        self.findings.extend(one.findings);
        self.excused.extend(one.excused);
    }

    /// Adds what is only forbidden while the assumptions hold.
    fn add_if_intact(&mut self, history: &History, one: Self) {
        if history.intact {
            return self.add(one);
        }
        self.excused.extend(one.excused);
        self.caused.extend(one.findings.into_iter().map(|finding| {
            let broken_before = history.faults.iter().filter(|planted| planted.from <= finding.at);
            let cause = broken_before.filter(|planted| !planted.fault.keeps_assumptions()).max_by_key(|it| it.from);
            let cause = cause.map(|planted| planted.fault);
            (finding, cause)
        }));
    }

    fn note(&mut self, excuse: Option<Excuse>, check: Check, at: Moment, what: String) {
        self.note_for(excuse, Finding { check, at, lasted: 0, what });
    }

    fn note_for(&mut self, excuse: Option<Excuse>, finding: Finding) {
        match excuse {
            Some(excuse) => self.excused.push((finding, excuse)),
            None => self.findings.push(finding),
        }
    }
}

/// C1: from its first step until it is gone, a body is alone with its key.
fn overlaps(history: &History) -> Judged {
    let mut judged = Judged::default();
    for (key, granted) in history.granted() {
        let mut inside: Vec<&Call> = Vec::new();
        for (call, grant) in granted {
            inside.retain(|before| history.gone(before) > grant.at);
            for before in &inside {
                let what = format!("key {key}: {} was there when {} came", named(before), named(call));
                let lasted = history.gone(before).min(history.gone(call)).saturating_sub(grant.at);
                let finding = Finding { check: Check::Overlap, at: grant.at, lasted, what };
                judged.note_for(excuse_for_being_there(history, before, grant.at), finding);
            }
            inside.push(call);
        }
    }
    judged
}

/// Whether a body was late in leaving by no longer than it stood still, since a margin before the next one came.
fn excuse_for_being_there(history: &History, call: &Call, came: Moment) -> Option<Excuse> {
    let (gone, margin, process) = (history.gone(call), margin_of(call), history.process(call));
    let long = |step: &Step| Still { from: step.from + margin, to: step.to.unwrap_or(gone) };
    let in_steps = call.steps.iter().map(long).filter(|still| still.from < still.to);
    let stopped = process.stopped.iter().copied();
    let still = stopped.clone().chain(process.starved.iter().copied()).chain(in_steps);
    let since = came.saturating_sub(margin);
    let enough = |stood: u64| gone != Moment::MAX && stood >= gone - came;
    excuse(enough(covered(stopped, since, gone)), enough(covered(still, since, gone)))
}

fn excuse(stopped: bool, still: bool) -> Option<Excuse> {
    let starved = still.then_some(Excuse::Starved);
    if stopped { Some(Excuse::Stopped) } else { starved }
}

/// The excuse of a process that stood still at some time between two moments.
fn stood(process: &Process, from: Moment, to: Moment) -> Option<Excuse> {
    let any = |spans: &[Still]| covered(spans.iter().copied(), from, to) > 0;
    excuse(any(&process.stopped), any(&process.starved))
}

/// C3: no step begins at or after the deadline.
///
/// The library looks between the moment at which the call was polled and the first thing the body does. So a step is
/// late for certain if the lease was over when the call was polled; if it was over only when the body began, the
/// look lay in between.
fn late_polls(history: &History) -> Judged {
    let mut judged = Judged::default();
    for call in &history.calls {
        for step in call.steps.iter().filter(|step| step.start.deadline <= step.from) {
            let stood = stood(history.process(call), step.start.entered, step.from);
            // That a lease ended between the two looks needs no process that stood still, only bad luck.
            let excuse = match step.start.was_held {
                Some(true) => stood.or(Some(Excuse::Starved)),
                Some(false) => None,
                None => stood,
            };
            let what = format!("key {}: a step of {}", call.key, named(call));
            judged.note(excuse, Check::LatePoll, step.from, what);
        }
    }
    judged
}

/// C6: every call comes to its end, and a loss is told when the body is gone.
fn unended(history: &History) -> Judged {
    let mut judged = Judged::default();
    for call in &history.calls {
        let mut wrong = |at, what: &str| {
            judged.note(None, Check::Unended, at, format!("key {}: {} {what}", call.key, named(call)));
        };
        let killed = history.process(call).killed.is_some();
        if !killed && call.ended.is_none() {
            wrong(call.tried, "did not come back");
        }
        if call.grant.is_some() && call.dropped.is_none() && (!killed || call.ended.is_some()) {
            wrong(call.tried, "left its body behind");
        }
        if let Some((heard, _)) = call.lost
            && call.grant.is_some()
            && call.dropped.is_none_or(|dropped| dropped > heard)
        {
            wrong(heard, "heard of its loss before its body was gone");
        }
    }
    judged
}

/// C7 and C8: what had to be seen while it was there.
fn seen(history: &History) -> Judged {
    let mut judged = Judged::default();
    for seen in &history.seen {
        let check = match seen.kind {
            SeenKind::StuckKey { .. } => Check::StuckKey,
            SeenKind::StuckWorker => Check::StuckWaiter,
            SeenKind::StrayKey => Check::StrayKey,
        };
        judged.note(None, check, seen.at, seen.what.clone());
    }
    judged
}

fn margin_of(call: &Call) -> u64 {
    nanos(margin(Duration::from_nanos(call.ttl)))
}

/// The excuse of a step that did something later than a margin after its begin, which none means to.
fn excuse_in_step(history: &History, call: &Call, step: &Step, until: Moment) -> Option<Excuse> {
    let late = until.saturating_sub(step.from) > margin_of(call);
    late.then(|| stood(history.process(call), step.from, until).unwrap_or(Excuse::Starved))
}

fn named(call: &Call) -> String {
    let fence = call.grant.map_or_else(|| "none".to_owned(), |grant| grant.fence.to_string());
    format!("worker {} task {} fence {fence}", call.process, call.task)
}
