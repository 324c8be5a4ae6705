//! C2: fences grow in the order of the grants, and none is there twice. That of an exclusive lock is greater than all
//! before it, that of a shared one or a permit greater than those of all exclusive ones before it; between those who may
//! hold beside each other the order says nothing.
//!
//! Who was granted first is known from outside in one direction only: for certain when one body had begun before the
//! other grant can have been made. While the assumptions hold, leases of which one is exclusive exclude each other, and
//! then the bodies' first steps tell the order.

use lock_core::store::Kind;

use super::judged::{Check, Judged, named};
use crate::clock::Moment;
use crate::history::{Call, Grant, History};

pub(super) fn regressions(history: &History) -> Judged {
    let mut judged = Judged::default();
    for (key, granted) in history.granted() {
        let before = history.fences_before.get(&key).copied().unwrap_or_default();
        for &(call, grant) in &granted {
            let bound = before.bound(call.kind);
            if grant.fence <= bound {
                let what = format!("key {key}: {} although {bound} was there in an earlier phase", named(call));
                judged.note(None, Check::FenceRegression, grant.at, what);
            }
        }
        twice(&granted, &mut judged);
        against_order(history, &granted, &mut judged);
    }
    judged
}

fn twice(granted: &[(&Call, Grant)], judged: &mut Judged) {
    let mut by_fence = granted.to_vec();
    by_fence.sort_by_key(|(_, grant)| grant.fence);
    for pair in by_fence.windows(2) {
        if pair[0].1.fence == pair[1].1.fence {
            let what = format!("key {}: {} and {} have the same", pair[0].0.key, named(pair[0].0), named(pair[1].0));
            judged.note(None, Check::FenceRegression, pair[0].1.at.max(pair[1].1.at), what);
        }
    }
}

/// Takes the grants in the order of the earliest moments at which they can have been made, and beside them those that
/// had begun by then.
fn against_order(history: &History, granted: &[(&Call, Grant)], judged: &mut Judged) {
    let mut later: Vec<(Moment, &Call, Grant)> =
        granted.iter().map(|&(call, grant)| (not_before(history, call, grant), call, grant)).collect();
    later.sort_by_key(|&(earliest, ..)| earliest);
    let mut begun = granted.iter().peekable();
    let (mut greatest, mut greatest_exclusive) = (None, None);
    for (earliest, call, grant) in later {
        while let Some(&&(first, its)) = begun.peek().filter(|(_, its)| its.at < earliest) {
            greatest = greater(greatest, (first, its));
            if first.kind == Kind::Exclusive {
                greatest_exclusive = greater(greatest_exclusive, (first, its));
            }
            begun.next();
        }
        let bound = if call.kind == Kind::Exclusive { greatest } else { greatest_exclusive };
        if let Some((before, most)) = bound.filter(|(_, most)| most.fence > grant.fence) {
            let what = format!("key {}: {} after {}", call.key, named(call), named(before));
            judged.note(None, Check::FenceRegression, grant.at.max(most.at), what);
        }
    }
}

/// Which of the two has the greater fence.
fn greater<'a>(known: Option<(&'a Call, Grant)>, other: (&'a Call, Grant)) -> Option<(&'a Call, Grant)> {
    known.filter(|(_, most)| most.fence >= other.1.fence).or(Some(other))
}

/// Whose body had begun before this moment was granted before this grant.
pub(super) fn not_before(history: &History, call: &Call, grant: Grant) -> Moment {
    if history.intact {
        return call.steps.first().map_or(grant.at, |step| step.start.entered);
    }
    call.granted_at_the_earliest(grant)
}
