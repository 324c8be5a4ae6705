//! How a call ends without a lease: it is refused, and its task has yet to hear.

use super::calls::{Calls, Holder};
use super::context::Context;
use super::giving_back::{give_back, give_back_unseen};
use super::local_queue::Waiter;
use super::messages::Refusal;
use crate::store::Moment;

/// Refuses a waiter, wherever it stood.
pub(super) fn refuse<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, waiter: Waiter<C>, refusal: Refusal) {
    give_back(calls, cx, &waiter);
    calls.rest_or_new(cx.spare).refused.insert(waiter.number, refusal);
    cx.wake(waiter.caller);
    cx.spare.waiting.keep(waiter.waiting);
}

/// Refuses a call that has a lease which its task has not seen.
pub(super) fn refuse_holder<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: Holder<C>, refusal: Refusal) {
    give_back_unseen(calls, cx, holder.token, &holder.held);
    calls.rest_or_new(cx.spare).refused.insert(holder.number, refusal);
    cx.wake(holder.caller);
}

/// The key was held at that moment: whoever came by then has waited for a busy key, and hears so if its time is over.
pub(super) fn seen_held<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, by: Moment) {
    calls.held_at = calls.held_at.max(by.min(cx.now));
    let heard = calls.queue_mut().map(|queue| queue.take_timed_out(by));
    for waiter in heard.into_iter().flatten() {
        refuse(calls, cx, waiter, Refusal::Busy);
    }
}
