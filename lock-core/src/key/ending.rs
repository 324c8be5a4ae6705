//! How a lease ends: it is handed over to the next local waiter without a request to the store, or it is released.
//!
//! Must stay true: local hand-overs are bounded in number and time, so that other processes are served; each holder has
//! a fence of its own.

use std::time::Duration;

use super::calls::{Active, Calls, Holder};
use super::context::{Context, Effect, GrantedBy};
use super::doubt::Doubt;
use super::enqueueing::is_handed_on;
use super::held::Held;
use super::ids::Number;
use super::leaving::note_was_held;
use super::local_queue::LocalQueue;
use super::releasing::{Orphan, Progress, Releasing};
use crate::planted::{Mutant, planted};
use crate::store::Moment;

/// How long a lease may be handed over locally before other processes are served.
const LONGEST_LOCAL_RUN: Duration = Duration::from_millis(20);

/// A lease ends, because its body or guard was dropped. A task awaits the release until `awaited_until`, if that is
/// given.
pub(super) fn end<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    awaited_until: Option<Moment>,
) {
    if let Some(holder) = calls.take_active_holder(|holder| holder.number == number) {
        if holder.held.first_lease {
            cx.effects.push(Effect::FirstLeaseLongEnough);
        }
        pass_on(calls, cx, holder, awaited_until);
    } else if let Some(holder) = calls.take_lost(number) {
        release(calls, cx, holder, awaited_until);
    } else if let Some(releasing) = calls.release_mut(number) {
        // The process's exit hook was faster than the task: the release that it queued is awaited like the task's own.
        releasing.awaited_until = releasing.awaited_until.or(awaited_until);
    }
}

/// The lease goes to the next, here or elsewhere, or is released.
pub(super) fn pass_on<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    holder: Holder<C>,
    awaited_until: Option<Moment>,
) {
    if may_hand_over_locally(calls, cx, &holder.held) {
        hand_over_locally(calls, cx, holder, awaited_until.is_some());
    } else {
        release(calls, cx, holder, awaited_until);
    }
}

/// Whether the lease may go to a local waiter without asking the store, and the next one is of its own kind.
fn may_hand_over_locally<C>(calls: &Calls<C>, cx: &Context<'_, C>, held: &Held) -> bool {
    cx.known.settings.local_handover
        && !cx.known.closing
        && held.keep_until <= cx.now
        && cx.now < held.deadline
        && cx.now < held.local_run_since + LONGEST_LOCAL_RUN
        && held.fences.after_first().is_some()
        && is_handed_on(held.kind)
        && calls.queue().and_then(LocalQueue::next).is_some_and(|next| is_handed_on(next.waiting.terms.kind))
}

/// Gives the lease to the next local waiter, under the same token.
fn hand_over_locally<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: Holder<C>, is_awaited: bool) {
    let Holder { number, caller, token, held } = holder;
    let next = calls.queue_mut().and_then(LocalQueue::take_next);
    let (Some(next), Some(fences)) = (next, held.fences.after_first()) else { return };
    let waiting = next.waiting;
    // A waiter in the local queue is not in the store's queue.
    debug_assert!(waiting.entry.is_none());
    let patience = waiting.patience(cx.known.first_lease);
    let mut held = held.for_next_holder(cx.now, fences, &waiting.terms);
    held.await_task(cx.now, waiting, patience);
    cx.effects.push(Effect::Granted(GrantedBy::Locally));
    cx.wake(next.caller.clone());
    calls.active = Active::Holder(Holder { number: next.number, caller: next.caller, token, held });
    if is_awaited {
        let releasing = Releasing::handed_over_locally(cx.now, number, caller, token);
        calls.others_or_new(cx.spare).releases.push(releasing);
    }
}

/// Queues the release of the token at the store.
fn release<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: Holder<C>, awaited_until: Option<Moment>) {
    let Holder { number, caller, token, mut held } = holder;
    // A renewal in flight is on the keeper's session, so the release has to go behind it there.
    let is_renewing = held.schedule.is_in_flight();
    let task_may_send = awaited_until.is_some() && !is_renewing;
    let keep_until = if held.is_claimed() { held.keep_until } else { Moment::MIN };
    if let Some(waiting) = held.waiting.take() {
        cx.spare.waiting.keep(waiting);
    }
    // Then it cannot also go behind a request in doubt on another session; it is repeated for that one.
    let doubt = match held.doubt() {
        doubt if is_renewing => doubt.without_session(),
        doubt => doubt,
    };
    let leave = held.in_doubt.take().and_then(|requests| requests.entry).map(Box::new);
    let mut releasing = Releasing {
        caller: Some(caller),
        progress: if task_may_send { Progress::TaskMaySend } else { Progress::Due(cx.now) },
        keep_until,
        done: held.done || planted(Mutant::FailureIsDone) && held.once_until.is_some(),
        awaited_until,
        may_rotate: is_handed_on(held.kind) && held.lost.is_none() && keep_until <= cx.now && doubt == Doubt::Nowhere,
        ..Releasing::orphan(cx.now, number, token, Orphan { kind: held.kind, ttl: held.longest_ttl, doubt, leave })
    };
    if is_renewing || doubt != Doubt::Nowhere {
        releasing.request_in_flight(cx.known.settings.operation_timeout);
    }
    note_was_held(calls, cx);
    if held.queued {
        cx.effects.push(Effect::Contended);
    }
    calls.others_or_new(cx.spare).releases.push(releasing);
}
