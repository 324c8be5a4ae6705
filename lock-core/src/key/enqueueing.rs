//! How a waiter stands in the store's queue: its entry, and over which session it hears of its grant.
//!
//! Must stay true: a token has one entry, whatever is sent about it later; a store that did not claim to queue gets none,
//! and one that did not claim to reserve blocks is asked for one fence.

use super::context::Context;
use super::waiting::{Waiting, alive_for};
use crate::lease::{QUEUE_LASTS, queue_lasts};
use crate::store::{Entry, Kind};

/// How many holders of one process have a lease in a row, until others have their turn. They end with their fences.
pub(super) const LONGEST_ROW: u32 = 32;

/// How many fences to ask for, when `others` wait behind in this process: as many as a row may need, where the lease may
/// pass on to them.
pub(super) fn fences<C>(cx: &Context<'_, C>, waiting: &Waiting, others: usize) -> u32 {
    let settings = cx.known.settings;
    let may_pass_on =
        settings.local_handover && settings.capabilities.reserves_fences() && is_passed_on(waiting.terms.kind);
    if others > 0 && may_pass_on && waiting.may_queue(cx.now) { LONGEST_ROW } else { 1 }
}

/// Whether leases of this kind go from one call to the next by themselves or by a rotation. One of a set does not: it is
/// a seat beside others, and who else may have one is for the store to say.
pub(super) fn is_passed_on(kind: Kind) -> bool {
    kind == Kind::Exclusive
}

/// Whether this one joins a queue of the store, or stands there: it waits, and there is one.
pub(super) fn queues<C>(cx: &Context<'_, C>, waiting: &Waiting) -> bool {
    cx.known.settings.capabilities.queues() && waiting.may_queue(cx.now)
}

/// The waiter's place in the store's queue, if it has one or takes one; `others` wait behind it in this process.
pub(super) fn entry<C>(cx: &Context<'_, C>, waiting: &mut Waiting, others: usize) -> Option<Entry> {
    if !queues(cx, waiting) {
        return None;
    }
    let (known, is_new) = (&cx.known, waiting.entry.is_none());
    if is_new {
        let (listener, told_over) = waiting.told((known.settings.listener, cx.told_over_keepers()));
        let (kind, fences) = (waiting.terms.kind, fences(cx, waiting, others));
        // No shorter than the store can; a ttl is no shorter, either.
        let first_lease = known.first_lease.of(&waiting.terms).max(known.settings.capabilities.shortest_ttl());
        let entry = Entry { listener, first_lease, kind, fences, since: waiting.place, alive_for: None, lasts: None };
        waiting.entry = Some((entry, cx.now));
        waiting.told_over = told_over;
    }
    let lasts = queue_lasts(known.queued + usize::from(is_new));
    waiting.queue_lasts = lasts.unwrap_or(QUEUE_LASTS);
    let alive_for = waiting.told_over.is_none().then(|| alive_for(known.first_lease.round_trip()));
    let (entry, _) = waiting.entry.as_ref()?;
    Some(Entry { alive_for, lasts, ..entry.clone() })
}
