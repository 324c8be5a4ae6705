//! C4 and C5: what the lock and its fences are there for.
//!
//! A register that compares fences is right whatever happens; one that does not is right as long as whoever writes is
//! alone. Exclusive bodies write; others look only, and their fences say whether a later writer has been there.

use std::collections::BTreeMap;

use super::excuses::excuse_in_step;
use super::fences::not_before;
use super::judged::{Check, Judged, named};
use crate::history::{Call, Grant, History};
use crate::oracle::{Act, Deed};

type ByFence<'a> = BTreeMap<(u64, u64), (&'a Call, Grant)>;

fn by_fence(history: &History) -> ByFence<'_> {
    let granted = history.granted().into_values().flatten();
    granted.map(|(call, grant)| ((call.key, grant.fence), (call, grant))).collect()
}

/// C4: the register that compares fences never goes backwards, lets nobody in whose successor has written, and keeps
/// nobody out who has no successor that has: neither those who write nor those who look.
pub(super) fn wrong_writers(history: &History) -> Judged {
    let mut judged = Judged::default();
    let grants = by_fence(history);
    let mut written: BTreeMap<u64, Vec<Deed>> = BTreeMap::new();
    for deed in &history.deeds {
        let (accepted, writes) = match deed.act {
            Act::Fenced { accepted } => (accepted, true),
            Act::Looked { accepted } => (accepted, false),
            _ => continue,
        };
        let written = written.entry(deed.key).or_default();
        let greatest = written.iter().max_by_key(|before| before.fence);
        let wrong = if accepted {
            let backwards = greatest.is_some_and(|greatest| greatest.fence > deed.fence);
            backwards || written.iter().any(|before| succeeds(history, &grants, *before, *deed))
        } else {
            greatest.is_none_or(|greatest| greatest.fence <= deed.fence)
                || greatest.is_some_and(|greatest| succeeds(history, &grants, *deed, *greatest))
        };
        if wrong {
            let done = if accepted { "had its way" } else { "was kept out" };
            let what =
                format!("key {}: fence {} {done} behind {:?}", deed.key, deed.fence, greatest.map(|it| it.fence));
            judged.note(None, Check::WrongWriter, deed.at, what);
        }
        // One of each fence is enough, and keeps this short.
        if accepted && writes && !written.iter().any(|before| before.fence == deed.fence) {
            written.push(*deed);
        }
    }
    judged
}

/// Whether the one who did this was granted after the one who did that, for certain.
fn succeeds(history: &History, grants: &ByFence<'_>, this: Deed, that: Deed) -> bool {
    let grant = |deed: Deed| grants.get(&(deed.key, deed.fence));
    match (grant(this), grant(that)) {
        (Some(&(call, later)), Some(&(_, earlier))) => earlier.at < not_before(history, call, later),
        _ => false,
    }
}

/// C5: each write to the register that compares nothing finds what its writer read. A write that a process did late in
/// a step in which it stood still is nobody's fault, whoever it hurts.
pub(super) fn lost_updates(history: &History) -> Judged {
    let mut judged = Judged::default();
    let grants = by_fence(history);
    let late = |deed: &Deed| {
        let (call, _) = grants.get(&(deed.key, deed.fence))?;
        let step = call.steps.iter().rev().find(|step| step.from <= deed.at);
        excuse_in_step(history, call, step?, deed.at)
    };
    for (place, deed) in history.deeds.iter().enumerate() {
        let Act::Write { value, found } = deed.act else { continue };
        if found + 1 == value {
            continue;
        }
        let same_key = history.deeds[..place].iter().rev().filter(|before| before.key == deed.key);
        let since_read = same_key.take_while(|it| it.fence != deed.fence || !matches!(it.act, Act::Read { .. }));
        let hurt_by: Vec<&Deed> = since_read.filter(|before| matches!(before.act, Act::Write { .. })).collect();
        let excuse = late(deed).or_else(|| hurt_by.iter().find_map(|deed| late(deed)));
        let writer = grants.get(&(deed.key, deed.fence)).map_or_else(String::new, |(call, _)| named(call));
        let others: Vec<u64> = hurt_by.iter().map(|deed| deed.fence).collect();
        let what = format!("key {}: {writer} wrote {value} over {found}, which fences {others:?} wrote", deed.key);
        judged.note(excuse, Check::LostUpdate, deed.at, what);
    }
    judged
}
