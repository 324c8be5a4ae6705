//! How a waiter queues at the store: its entry, and the session that tells it of its grant.
//!
//! Must stay true: a token has one entry, whatever is sent for it later; a store that did not claim to queue gets none,
//! and one that did not claim to reserve blocks of fences is asked for one.

use super::context::Context;
use super::waiting::{Waiting, alive_for};
use crate::lease::{QUEUE_KEPT_FOR, queue_kept_for};
use crate::planted::{Mutant, planted};
use crate::store::{Entry, Kind};

/// How many calls of one process may hold a lease in a row before others are served: as many as it has fences.
pub(super) const MOST_LOCAL_HOLDERS: u32 = 32;

/// How many fences to ask for when `local_waiters` wait behind: enough for a full run of local hand-overs, where the
/// lease may be handed on.
pub(super) fn fences<C>(cx: &Context<'_, C>, waiting: &Waiting, local_waiters: usize) -> u32 {
    let settings = cx.known.settings;
    let may_hand_on =
        settings.local_handover && settings.capabilities.reserves_fences() && is_handed_on(waiting.terms.kind);
    if local_waiters > 0 && may_hand_on && waiting.may_enqueue(cx.now) { MOST_LOCAL_HOLDERS } else { 1 }
}

/// Whether leases of this kind go from one call to the next locally or by a rotation. One of a set of holders does not:
/// the store says who else may hold beside the others.
pub(super) fn is_handed_on(kind: Kind) -> bool {
    kind == Kind::Exclusive
}

/// Whether this call may be in a queue of the store: there is one, and the call waits.
pub(super) fn queues<C>(cx: &Context<'_, C>, waiting: &Waiting) -> bool {
    cx.known.settings.capabilities.queues() && waiting.may_enqueue(cx.now)
}

/// The waiter's entry for the store's queue, if it has one or may; `local_waiters` wait behind it in this process.
pub(super) fn entry<C>(cx: &Context<'_, C>, waiting: &mut Waiting, local_waiters: usize) -> Option<Entry> {
    if !queues(cx, waiting) {
        return None;
    }
    let (known, is_new) = (&cx.known, waiting.entry.is_none());
    if is_new {
        let (listener, push_session) = waiting.listener((known.settings.listener, cx.keeper_push_session()));
        let (kind, fences) = (waiting.terms.kind, fences(cx, waiting, local_waiters));
        // No shorter than the store can; a ttl is no shorter, either.
        let first_lease = known.first_lease.of(&waiting.terms).max(known.settings.capabilities.shortest_ttl());
        let since = waiting.queue_since;
        let entry = Entry::new(listener, first_lease).with_kind(kind).with_fences(fences).with_since(since);
        waiting.entry = Some((entry, cx.now));
        waiting.push_session = push_session;
    }
    let lasts = queue_kept_for(known.queued + usize::from(is_new));
    waiting.queue_kept_for = lasts.unwrap_or(QUEUE_KEPT_FOR);
    let alive_for = waiting.push_session.is_none().then(|| alive_for(known.first_lease.round_trip()));
    let (entry, _) = waiting.entry.as_ref()?;
    // The store may have taken it for dead, and forgotten its place.
    let since = waiting.queue_since.filter(|_| !planted(Mutant::PlaceForgotten));
    Some(Entry { since, alive_for, lasts, ..entry.clone() })
}
