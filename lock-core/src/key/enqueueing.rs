//! How a waiter queues at the store: its entry, and the session that tells it of its grant.
//!
//! Must stay true: a token has one entry, whatever is sent for it later.

use super::context::Context;
use super::waiting::{Waiting, alive_for};
use crate::lease::{QUEUE_KEPT_FOR, queue_kept_for};
use crate::store::Entry;

/// How many calls of one process may hold a lease in a row before others are served: as many as it has fences.
pub(super) const MOST_LOCAL_HOLDERS: u32 = 32;

/// The waiter's entry for the store's queue, unless its time to wait is over; `local_waiters` wait behind it in this
/// process.
pub(super) fn entry<C>(cx: &Context<'_, C>, waiting: &mut Waiting, local_waiters: usize) -> Option<Entry> {
    if !waiting.may_enqueue(cx.now) {
        return None;
    }
    let (known, is_new) = (&cx.known, waiting.entry.is_none());
    if is_new {
        let (listener, push_session) = waiting.listener((known.settings.listener, cx.keeper_push_session()));
        // Enough fences for a full run of local hand-overs, if others wait here.
        let fences = if local_waiters > 0 && known.settings.local_handover { MOST_LOCAL_HOLDERS } else { 1 };
        let first_lease = known.first_lease.of(&waiting.terms);
        let entry = Entry { listener, first_lease, fences, since: waiting.queue_since, alive_for: None, lasts: None };
        waiting.entry = Some((entry, cx.now));
        waiting.push_session = push_session;
    }
    let lasts = queue_kept_for(known.queued + usize::from(is_new));
    waiting.queue_kept_for = lasts.unwrap_or(QUEUE_KEPT_FOR);
    let alive_for = waiting.push_session.is_none().then(|| alive_for(known.first_lease.round_trip()));
    let (entry, _) = waiting.entry.as_ref()?;
    Some(Entry { alive_for, lasts, ..entry.clone() })
}
