//! A grant that its task does not look at: after a time of its own it goes to the next, and the call waits to be
//! polled.
//!
//! A task that is not polled may be held up by what its key is wanted for: the other branch of a `select!`, the
//! consumer of a buffered stream. Must stay true: such a call is never refused as long as it sleeps, and is asked for
//! anew once it is polled; it keeps its place among the calls of its process, and at the store.

use super::calls::{Calls, Holder};
use super::context::{Context, Effect};
use super::doubt::Doubt;
use super::ending;
use super::giving_back::{give_back_unseen, push_orphan};
use super::held::Held;
use super::ids::Number;
use super::leaving::{note_was_held, recheck_held, refuse};
use super::left_behind::LeftBehind;
use super::local_queue::Waiter;
use super::messages::{Action, Refusal};
use super::releasing::Orphan;
use super::waiting::Waiting;
use crate::store::Token;

/// The active holder's time to look is over: its lease goes to the next, here or elsewhere.
pub(super) fn pass_over<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let Some(mut holder) = calls.take_active_holder(|holder| !holder.held.is_claimed()) else { return };
    let waiting = holder.held.waiting.take();
    sleep(calls, cx, &holder, waiting);
    // The call keeps its number.
    let number = cx.number();
    ending::pass_on(calls, cx, Holder { number, ..holder }, None);
}

/// The lease ended before its task looked.
pub(super) fn lease_ended<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, mut holder: Holder<C>) {
    give_back_unseen(calls, cx, holder.token, &holder.held);
    note_was_held(calls, cx);
    let waiting = holder.held.waiting.take();
    sleep(calls, cx, &holder, waiting);
}

/// The call of this holder waits until it is polled.
fn sleep<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: &Holder<C>, waiting: Option<Box<Waiting>>) {
    let Some(waiting) = waiting else { return };
    let (number, caller, token) = (holder.number, holder.caller.clone(), holder.token);
    let patience = waiting.patience(cx.known.first_lease);
    let left_behind = left_behind(&holder.held, &waiting, token);
    let mut waiter = Waiter { number, caller, token, waiting };
    waiter.start_over(cx.now);
    waiter.waiting.pass_over();
    waiter.waiting.left_behind = left_behind;
    cx.effects.push(Effect::Do(Action::PassedOver(waiter.caller.clone(), patience)));
    calls.others_or_new(cx.spare).passed_over.insert(number, waiter);
}

/// A request under this token that may still be on its way over the session of the task's runtime.
fn left_behind(held: &Held, waiting: &Waiting, token: Token) -> Option<Box<LeftBehind>> {
    let over_own = waiting.overtaken.as_ref().map(|overtaken| overtaken.session).or(waiting.push_session);
    let session = match held.doubt() {
        Doubt::Nowhere => None,
        Doubt::On(session) => Some(session),
        Doubt::Somewhere => over_own,
    };
    let (ttl, leave) = (held.longest_ttl, held.entry().cloned().map(Box::new));
    Some(Box::new(LeftBehind { token, kind: held.kind, session: session?, ttl, leave }))
}

/// A request under a token that was given back was answered, to a call that was passed over: if it took the key, that
/// is given back once more.
pub(super) fn answered_late<C>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    token: Token,
    took: bool,
) {
    let Some(waiter) = calls.others_mut().and_then(|others| others.passed_over.get_mut(&number)) else { return };
    let left = waiter.waiting.left_behind.take_if(|left| left.token == token);
    if let Some(left) = left.filter(|_| took) {
        give_back_left(calls, cx, *left, Doubt::Nowhere);
    }
}

/// Gives back what it may have left on its way, behind that.
pub(super) fn give_back_left_behind<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, waiter: &mut Waiter<C>) {
    if let Some(left) = waiter.waiting.left_behind.take() {
        let behind = Doubt::On(left.session);
        give_back_left(calls, cx, *left, behind);
    }
}

fn give_back_left<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, left: LeftBehind, doubt: Doubt) {
    let LeftBehind { token, kind, ttl, leave, .. } = left;
    push_orphan(calls, cx, token, Orphan { kind, ttl, doubt, leave });
}

/// Its task is polled again: it takes its old place. If its time to wait is over, it is asked for once more, unless the
/// key is known to be held.
pub(super) fn come_back<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, mut waiter: Waiter<C>) {
    give_back_left_behind(calls, cx, &mut waiter);
    let is_wait_over = waiter.waiting.wait_until <= cx.now;
    if is_wait_over && calls.is_known_held(cx.now, waiter.waiting.terms.kind) {
        let free_at = calls.free_at(cx.now);
        return refuse(calls, cx, waiter, Refusal::Busy { free_at });
    }
    waiter.waiting.come_back(cx.now, cx.known.settings.operation_timeout);
    calls.others_or_new(cx.spare).queue.insert(cx.now, waiter);
    if is_wait_over {
        recheck_held(calls, cx.now);
    }
}
