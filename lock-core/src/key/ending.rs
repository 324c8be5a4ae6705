//! How a lease ends: it goes to the next in line of this process without a word to the store, or it is released.
//!
//! Must stay true: a lease passes on a bounded number of times and for a bounded time, then other processes have their
//! turn; each holder has a fence of its own.

use std::time::Duration;

use super::calls::{Active, Calls, Holder};
use super::context::{Context, Effect, How};
use super::doubt::Doubt;
use super::enqueueing::is_passed_on;
use super::held::Held;
use super::local_queue::LocalQueue;
use super::messages::Number;
use super::releasing::{Orphan, Progress, Releasing};
use crate::store::Moment;

/// For how long the lease passes on.
const LONGEST_RUN: Duration = Duration::from_millis(20);

/// A lease ends: its body or guard is gone. A task awaits the release until `wanted_until`, or nobody does.
pub(super) fn end<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    wanted_until: Option<Moment>,
) {
    if let Some(holder) = calls.take_active_holder(|holder| holder.number == number) {
        if holder.held.first_lease {
            cx.effects.push(Effect::FirstLeaseLongEnough);
        }
        if may_pass_on(calls, cx, &holder.held) {
            pass_on(calls, cx, holder, wanted_until.is_some());
        } else {
            release(calls, cx, holder, wanted_until);
        }
    } else if let Some(holder) = calls.take_lost(number) {
        release(calls, cx, holder, wanted_until);
    } else if let Some(releasing) = calls.release_mut(number) {
        // The end of the process was quicker than the task: what it queued is awaited like the task's own.
        releasing.wanted_until = releasing.wanted_until.or(wanted_until);
    }
}

/// Whether the lease may go to the next in line without asking the store, and there is one, of its own kind.
fn may_pass_on<C>(calls: &Calls<C>, cx: &Context<'_, C>, held: &Held) -> bool {
    cx.known.settings.local_handover
        && !cx.known.closing
        && held.keep_until <= cx.now
        && cx.now < held.deadline
        && cx.now < held.came_at + LONGEST_RUN
        && held.fences.rest().is_some()
        && is_passed_on(held.kind)
        && calls.queue().and_then(LocalQueue::next).is_some_and(|heir| is_passed_on(heir.waiting.terms.kind))
}

/// The next in line has the lease from now on, under the same token.
fn pass_on<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: Holder<C>, is_wanted: bool) {
    let Holder { number, caller, token, held } = holder;
    let heir = calls.queue_mut().and_then(LocalQueue::take_next);
    let (Some(heir), Some(fences)) = (heir, held.fences.rest()) else { return };
    let heirs_terms = heir.waiting.terms;
    let mut waiting = heir.waiting;
    // It stood in the local queue alone.
    debug_assert!(waiting.entry.is_none());
    let waiting = if held.has_enough_for(cx.now, &heirs_terms) {
        cx.spare.waiting.keep(waiting);
        None
    } else {
        waiting.since = cx.now;
        Some(waiting)
    };
    let held = held.passed_on(cx.now, fences, &heirs_terms, waiting);
    cx.effects.push(Effect::Came(How::Locally));
    cx.wake(heir.caller.clone());
    calls.active = Active::Holder(Holder { number: heir.number, caller: heir.caller, token, held });
    if is_wanted {
        let releasing = Releasing::passed_on(cx.now, number, caller, token);
        calls.rest_or_new(cx.spare).releases.push(releasing);
    }
}

/// The token is given back to the store.
fn release<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, holder: Holder<C>, wanted_until: Option<Moment>) {
    let Holder { number, caller, token, mut held } = holder;
    // A renewal under way is on the keeper's session, and so its release goes behind it there.
    let is_renewing = held.schedule.is_in_flight();
    let own = wanted_until.is_some() && !is_renewing;
    let keep_until = if held.claimed { held.keep_until } else { Moment::MIN };
    // Nor may it go where a question is in doubt; it is repeated for that one.
    let doubt = match held.doubt() {
        doubt if is_renewing => doubt.without_session(),
        doubt => doubt,
    };
    let leave = held.in_doubt.take().and_then(|questions| questions.entry);
    let releasing = Releasing {
        caller: Some(caller),
        progress: if own { Progress::Own } else { Progress::Due(cx.now) },
        keep_until,
        wanted_until,
        may_rotate: is_passed_on(held.kind) && held.lost.is_none() && keep_until <= cx.now && doubt == Doubt::Nowhere,
        ..Releasing::orphan(cx.now, number, token, Orphan { ttl: held.longest_ttl, doubt, leave })
    };
    calls.held_at = cx.now;
    if held.queued {
        cx.effects.push(Effect::Contended);
    }
    calls.rest_or_new(cx.spare).releases.push(releasing);
}
