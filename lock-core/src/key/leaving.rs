//! How a call ends without a lease: it is refused, and its task is woken to see that.

use super::calls::{Calls, Holder};
use super::context::Context;
use super::giving_back::{give_back, give_back_unseen};
use super::local_queue::Waiter;
use super::messages::Refusal;
use crate::store::{Kind, Moment};

/// Refuses a waiter, active or queued.
pub(super) fn refuse<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, waiter: Waiter<C>, refusal: Refusal) {
    give_back(calls, cx, &waiter);
    calls.others_or_new(cx.spare).refused.insert(waiter.number, refusal);
    cx.wake(waiter.caller);
    cx.spare.waiting.keep(waiter.waiting);
}

/// Refuses a call whose task has not seen its lease.
pub(super) fn refuse_holder<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: Holder<C>, refusal: Refusal) {
    give_back_unseen(calls, cx, holder.token, &holder.held);
    note_was_held(calls, cx);
    calls.others_or_new(cx.spare).refused.insert(holder.number, refusal);
    cx.wake(holder.caller);
    if let Some(waiting) = holder.held.waiting {
        cx.spare.waiting.keep(waiting);
    }
}

/// A lease of this process has just ended: whoever arrived before has waited for a held key.
pub(super) fn note_was_held<C>(calls: &mut Calls<C>, cx: &Context<'_, C>) {
    calls.last_known_held = cx.now;
}

/// The key was held at `by`, until `free_at` at most if that is known: waiters of such kinds whose time is over and who
/// arrived by then are refused as busy.
pub(super) fn note_held<C>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    (by, free_at): (Moment, Option<Moment>),
    is_such: impl Fn(Kind) -> bool,
) {
    calls.last_known_held = calls.last_known_held.max(by.min(cx.now));
    let answered = calls.queue_mut().map(|queue| queue.take_timed_out(by, is_such));
    for waiter in answered.into_iter().flatten() {
        refuse(calls, cx, waiter, Refusal::Busy { free_at });
    }
}

/// A waiter whose time to wait is over stays queued until it is known whether the key is held: if the active waiter's
/// answer is too old to tell, it looks again.
pub(super) fn recheck_held<C>(calls: &mut Calls<C>, now: Moment) {
    if let Some(waiter) = calls.waiter_mut()
        && !waiter.waiting.is_known_held(now)
    {
        waiter.waiting.look_at_once(now);
    }
}
