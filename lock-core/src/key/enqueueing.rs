//! How a waiter stands in the store's queue: its entry, and over which session it hears of its grant.
//!
//! Must stay true: a token has one entry, whatever is sent about it later.

use super::context::Context;
use super::waiting::{Waiting, alive_for};
use crate::lease::{QUEUE_LASTS, queue_lasts};
use crate::store::Entry;

/// How many holders of one process have a lease in a row, until others have their turn. They end with their fences.
pub(super) const LONGEST_ROW: u32 = 32;

/// The waiter's place in the store's queue, unless it does not wait; `others` wait behind it in this process.
pub(super) fn entry<C>(cx: &Context<'_, C>, waiting: &mut Waiting, others: usize) -> Option<Entry> {
    if !waiting.may_queue(cx.now) {
        return None;
    }
    let (known, is_new) = (&cx.known, waiting.entry.is_none());
    if is_new {
        let (listener, told_over) = waiting.told((known.settings.listener, cx.told_over_keepers()));
        // Where others of this process may have the lease after it, as many as a run may need.
        let fences = if others > 0 && known.settings.local_handover { LONGEST_ROW } else { 1 };
        let first_lease = known.first_lease.of(&waiting.terms);
        let entry = Entry { listener, first_lease, fences, since: waiting.place, alive_for: None, lasts: None };
        waiting.entry = Some((entry, cx.now));
        waiting.told_over = told_over;
    }
    let lasts = queue_lasts(known.queued + usize::from(is_new));
    waiting.queue_lasts = lasts.unwrap_or(QUEUE_LASTS);
    let alive_for = waiting.told_over.is_none().then(|| alive_for(known.first_lease.round_trip()));
    let (entry, _) = waiting.entry.as_ref()?;
    Some(Entry { alive_for, lasts, ..entry.clone() })
}
