//! From a grant to a lease, or back to waiting if it came too late.

use super::calls::{Active, Calls, Holder};
use super::context::{Context, Effect};
use super::doubt::Doubt;
use super::giving_back::{give_back, give_back_unseen};
use super::held::{By, Granted, Held, InDoubt};
use super::leaving::{note_held, note_was_held};
use super::local_queue::Waiter;
use crate::store::{Moment, StoreError, StoreErrorKind};

/// Turns a grant into a lease, unless it came too late. Called with no active call.
pub(super) fn grant<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    granted: Granted,
) -> bool {
    let waiting = &mut *waiter.waiting;
    let mut held = Held::new(cx.now, granted, &waiting.terms, cx.known.rhythm);
    held.longest_ttl = held.longest_ttl.max(waiting.longest_ttl);
    let patience = waiting.patience_from_grant(cx.known.first_lease);
    let is_nearly_over = held.is_nearly_over(cx.now, patience);
    if held.ended_by_clock(cx.now).is_some() || is_nearly_over && !held.schedule.is_automatic() {
        if held.first_lease {
            cx.effects.push(Effect::FirstLeaseTooShort);
        }
        give_back(calls, cx, &waiter);
        let text = "the grant arrived after its lease had expired";
        start_over(calls, cx, waiter, Some(StoreError::new(StoreErrorKind::Disconnected, text)));
        return false;
    }
    let by_task = waiting.is_asked_by_task() && granted.by == By::Answer;
    held.queued = waiting.queue_since.is_some();
    let is_the_grant = |sent: Moment| granted.by == By::Answer && sent == granted.from;
    let unanswered = waiting.unanswered().filter(|&(sent, _)| !is_the_grant(sent));
    let requests = InDoubt { doubt: waiting.doubt, unanswered, entry: None };
    let entry = waiting.entry.take().map(|(entry, _)| entry);
    if requests.doubt() != Doubt::Nowhere {
        held.in_doubt = Some(Box::new(InDoubt { entry, ..requests }));
    }
    if !held.outlasts_min_hold(cx.now, &waiting.terms) || is_nearly_over && !by_task {
        // Too little is left of the lease for its holder's `min_hold`, or for its task to come and look.
        held.renew_first(cx.now);
    } else if !by_task {
        cx.wake(waiter.caller.clone());
    }
    held.await_task(cx.now, waiter.waiting, patience);
    calls.active = Active::Holder(Holder { number: waiter.number, caller: waiter.caller, token: waiter.token, held });
    let free_at = calls.free_at(cx.now);
    let room = calls.room();
    note_held(calls, cx, (Moment::MAX, free_at), |kind| !room.has_any_for(kind));
    true
}

/// A lease that was handed over locally ended before its next holder could begin. Called with no active call.
pub(super) fn requeue_next_holder<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, mut holder: Holder<C>) {
    give_back_unseen(calls, cx, holder.token, &holder.held);
    note_was_held(calls, cx);
    let Some(waiting) = holder.held.waiting.take() else { return };
    let waiter = Waiter { number: holder.number, caller: holder.caller, token: holder.token, waiting };
    let text = "the lease ended before it could be renewed for its next holder";
    start_over(calls, cx, waiter, Some(StoreError::new(StoreErrorKind::Disconnected, text)));
}

/// Waits again in its old place, under a new token.
pub(super) fn start_over<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    last_error: Option<StoreError>,
) {
    waiter.start_over(cx.now);
    waiter.waiting.last_error = last_error.or(waiter.waiting.last_error.take());
    cx.wake(waiter.caller.clone());
    calls.others_or_new(cx.spare).queue.insert(cx.now, waiter);
}
