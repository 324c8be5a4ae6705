//! What the clock changes for a key, and when.

use super::asking;
use super::beside;
use super::calls::{Active, Calls, Holder};
use super::context::Context;
use super::holding;
use super::ids::Number;
use super::local_queue::LocalQueue;
use super::release;
use super::releasing::Releasing;
use crate::store::Moment;

/// Does what is due, for at most `most` calls and releases; the rest stays due. Returns for how many.
pub(super) fn tick<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, most: usize) -> usize {
    let mut newest = Number(*cx.numbers);
    let mut left = most - tick_releases(calls, cx, most, |number| number <= newest);
    if calls.holders().next().is_some() {
        // Before the clock ends the lease: whoever gave up until now did so while the key was held.
        left -= asking::tick_queue(calls, cx, left);
    }
    left = left.saturating_sub(usize::from(tick_active(calls, cx)));
    beside::with_each(calls, |_| true, |calls| left = left.saturating_sub(usize::from(tick_active(calls, cx))));
    settle(calls, cx);
    left -= asking::tick_queue(calls, cx, left);
    // Releases that were queued by the above.
    while newest < Number(*cx.numbers) {
        let last = std::mem::replace(&mut newest, Number(*cx.numbers));
        left -= tick_releases(calls, cx, left, |number| last < number && number <= newest);
    }
    most - left
}

/// The clock of the active call; returns whether it was due.
fn tick_active<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) -> bool {
    let can_renew_early = calls.holder().is_some_and(|holder| can_be_renewed_early(holder, cx.now));
    match &calls.active {
        Active::Waiter(waiter) if waiter.waiting.due() <= cx.now => asking::tick(calls, cx),
        Active::Holder(holder) if holder.held.due() <= cx.now || can_renew_early => holding::tick(calls, cx),
        _ => return false,
    }
    true
}

/// Sends at most `most` due releases, each once; returns how many. One that stays due is sent again in the next round.
fn tick_releases<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    most: usize,
    is_one: impl Fn(Number) -> bool,
) -> usize {
    let is_due = |releasing: &&Releasing<C>| is_one(releasing.number) && releasing.due() <= cx.now;
    let numbers = calls.releases().filter(is_due).map(|releasing| releasing.number);
    let due: Vec<Number> = numbers.take(most).collect();
    for &number in &due {
        release::tick(calls, cx, number);
    }
    due.len()
}

/// When no call asks, none holds that does not agree with the first local waiter, and no release blocks that one, it may
/// ask.
pub(super) fn settle<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    beside::step_aside(calls, cx);
    if calls.queue().and_then(LocalQueue::first).is_some_and(|first| calls.is_free_for(first.waiting.terms.kind))
        && let Some(mut next) = calls.queue_mut().and_then(LocalQueue::take_first)
    {
        next.waiting.may_ask(cx.now);
        cx.wake(next.caller.clone());
        calls.active = Active::Waiter(next);
    }
    calls.tidy(cx.spare);
}

/// The next moment at which the clock changes anything for this key.
pub(super) fn due<C>(calls: &Calls<C>) -> Moment {
    let active = match &calls.active {
        Active::Waiter(waiter) => waiter.waiting.due(),
        Active::Holder(holder) => holder.held.due(),
        Active::Nobody => Moment::MAX,
    };
    let Some(others) = calls.others() else { return active };
    let releases = others.releases.iter().map(Releasing::due).min().unwrap_or(Moment::MAX);
    let beside = others.beside.iter().map(|holder| holder.held.due()).min().unwrap_or(Moment::MAX);
    active.min(others.queue.due()).min(releases).min(beside)
}

/// Whether the renewal may be sent a little early, together with others that are due.
pub(super) fn can_renew_early<C>(calls: &Calls<C>, now: Moment) -> bool {
    calls.holders().any(|holder| can_be_renewed_early(holder, now))
}

fn can_be_renewed_early<C>(holder: &Holder<C>, now: Moment) -> bool {
    let held = &holder.held;
    held.schedule.due() == held.due() && held.schedule.can_send(now)
}
