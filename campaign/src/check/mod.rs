//! The checks: pure functions from a history to what is wrong with it.
//!
//! What must stay true: nothing here knows a clock, a file or a server. A holder is excused for what it did because it
//! stood still, by exactly as much as it stood still, and for nothing else. A process stands still when the nemesis
//! stopped it, when the kernel says that it waited for a processor, and, for one body, in the part of a step that is
//! longer than the margin, since bodies here never mean to take as long. What was excused is counted.

mod beside;
mod excuses;
mod fences;
mod judged;
mod resources;
#[cfg(test)]
mod tests;

use super::history::{History, SeenKind};
pub(crate) use beside::{kind_name, most_beside};
use excuses::stood;
use judged::named;
pub(crate) use judged::{Check, Excuse, Finding, Judged};

/// All checks.
pub(crate) fn judge(history: &History) -> Judged {
    let mut judged = Judged::default();
    judged.add_if_intact(history, beside::overlaps(history));
    judged.add(fences::regressions(history));
    judged.add(late_polls(history));
    judged.add(resources::wrong_writers(history));
    judged.add_if_intact(history, resources::lost_updates(history));
    judged.add(unended(history));
    judged.add(seen(history));
    judged
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
