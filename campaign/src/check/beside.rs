//! C1: from its first step until it is gone, a body is beside those alone that may be beside it.
//!
//! An exclusive one is alone, shared ones are beside shared ones, and of permits no more are taken than there are for
//! the most generous of those who hold some: how many there are, each who asks brings along.

use std::collections::BTreeMap;

use lock_core::store::Kind;

use super::excuses::excuse_for_being_there;
use super::judged::{Check, Excuse, Finding, Judged, named};
use crate::clock::Moment;
use crate::history::{Call, History};

pub(super) fn overlaps(history: &History) -> Judged {
    let mut judged = Judged::default();
    sweep(history, |key, inside, call, came| {
        for before in inside.iter().filter(|before| !before.kind.agrees_with(call.kind)) {
            let what = format!("key {key}: {} was there when {} came", named(before), named(call));
            let lasted = history.gone(before).min(history.gone(call)).saturating_sub(came);
            let finding = Finding { check: Check::Overlap, at: came, lasted, what };
            judged.note_for(excuse_for_being_there(history, before, came), finding);
        }
        if let Some((taken, most, excuse)) = too_many(history, inside, call, came) {
            let what = format!("key {key}: {taken} of {most} permits were taken when {} came", named(call));
            judged.note(excuse, Check::Overlap, came, what);
        }
    });
    judged
}

/// The most bodies of each kind that were there at once for a key.
pub(crate) fn most_beside(history: &History) -> BTreeMap<&'static str, usize> {
    let mut most = BTreeMap::new();
    sweep(history, |_, inside, call, _| {
        let beside = inside.iter().filter(|before| before.kind.agrees_with(call.kind)).count();
        let known = most.entry(kind_name(call.kind)).or_default();
        *known = (beside + 1).max(*known);
    });
    most
}

/// What a kind is called where its numbers do not matter.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Exclusive => "exclusive",
        Kind::Shared => "shared",
        _ => "permits",
    }
}

/// Goes through all bodies of each key as they came, with those that were still there and the moment.
fn sweep<'a>(history: &'a History, mut comes: impl FnMut(u64, &[&'a Call], &'a Call, Moment)) {
    for (key, granted) in history.granted() {
        let mut inside: Vec<&Call> = Vec::new();
        for (call, grant) in granted {
            inside.retain(|before| history.gone(before) > grant.at);
            comes(key, &inside, call, grant.at);
            inside.push(call);
        }
    }
}

/// How many permits were taken and how many there were, if that is too many; and whether it is so only by those who
/// stood still when they were to leave.
fn too_many(history: &History, inside: &[&Call], call: &Call, came: Moment) -> Option<(u32, u32, Option<Excuse>)> {
    let most_of = |call: &Call| match call.kind {
        Kind::Permits { most, .. } => Some(most),
        _ => None,
    };
    let beside = || inside.iter().copied().filter(|before| most_of(before).is_some());
    let most = beside().filter_map(most_of).chain([most_of(call)?]).max()?;
    let taken = beside().chain([call]).map(|there| there.kind.weight()).sum();
    if taken <= most {
        return None;
    }
    let excused = || beside().filter_map(|before| Some((before, excuse_for_being_there(history, before, came)?)));
    let by_excused: u32 = excused().map(|(before, _)| before.kind.weight()).sum();
    let excuse = excused().map(|(_, excuse)| excuse).next().filter(|_| taken - by_excused <= most);
    Some((taken, most, excuse))
}
