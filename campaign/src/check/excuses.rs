//! Whether somebody did what must not be because its process stood still, and by how much.

use std::time::Duration;

use super::judged::Excuse;
use crate::clock::{Moment, margin, nanos};
use crate::history::{Call, History, Process, Step, Still, covered};

/// Whether a body was late in leaving by no longer than it stood still, since a margin before the next one came.
pub(super) fn excuse_for_being_there(history: &History, call: &Call, came: Moment) -> Option<Excuse> {
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
pub(super) fn stood(process: &Process, from: Moment, to: Moment) -> Option<Excuse> {
    let any = |spans: &[Still]| covered(spans.iter().copied(), from, to) > 0;
    excuse(any(&process.stopped), any(&process.starved))
}

/// The excuse of a step that did something later than a margin after its begin, which none means to.
pub(super) fn excuse_in_step(history: &History, call: &Call, step: &Step, until: Moment) -> Option<Excuse> {
    let late = until.saturating_sub(step.from) > margin_of(call);
    late.then(|| stood(history.process(call), step.from, until).unwrap_or(Excuse::Starved))
}

fn margin_of(call: &Call) -> u64 {
    nanos(margin(Duration::from_nanos(call.ttl)))
}
