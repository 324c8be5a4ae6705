//! Rotation: one request that hands the key to another process and enqueues the next local waiter behind.
//!
//! Must stay true: whatever the outcome, the next local waiter goes on waiting, or holds.

use std::time::Duration;

use super::asking::{held_elsewhere, request_failed};
use super::calls::{Active, Calls};
use super::context::Context;
use super::enqueueing::{entry, is_handed_on, queues};
use super::giving_back::finish;
use super::granting::grant;
use super::held::{By, Granted};
use super::ids::{Number, SessionId};
use super::local_queue::Waiter;
use super::releasing::{Progress, Rotating};
use super::waiting::Asker;
use crate::lease::Fences;
use crate::store::{Release, Released, Rotate, Rotated, StoreError};

/// How long a key counts as held after a rotation has handed it to another process.
const HANDED_OVER_FOR: Duration = Duration::from_secs(1);

/// Enqueues the next local waiter by the rotation of the lease before it, if there is one that still waits.
pub(super) fn rotate<C>(
    calls: &mut Calls<C>,
    cx: &Context<'_, C>,
    of: &Release,
    session: SessionId,
) -> Option<(Rotate, Rotating)> {
    let queue = calls.queue_mut()?;
    let next = &queue.next()?.waiting;
    if !queues(cx, next) || !is_handed_on(next.terms.kind) {
        return None;
    }
    let mut next = queue.take_next()?;
    let entry = entry(cx, &mut next.waiting, calls.waiting_locally())?;
    let timeout = cx.known.settings.operation_timeout * 2;
    next.waiting.request_sent(cx.now, Asker { session, timeout, by_task: false, fences: entry.fences });
    next.waiting.last_look = cx.now;
    let rotating = Rotating { next: next.number, sent: cx.now };
    let (key, token, ttl, fences) = (of.key.clone(), of.token, next.waiting.terms.ttl, entry.fences);
    let rotate = Rotate { key, token, ttl, fences, next: next.token, entry };
    calls.active = Active::Waiter(next);
    Some((rotate, rotating))
}

/// The rotation of this release was answered.
pub(super) fn rotated<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number, answer: Rotated) {
    let Some(releasing) = calls.release_mut(number) else { return };
    let Some((rotating, is_latest)) = releasing.take_rotation() else { return };
    let (token, doubt, longest_ttl) = (releasing.token, releasing.doubt, releasing.longest_ttl);
    let Rotating { next, sent } = rotating;
    let next = calls.take_active_waiter(|waiter| waiter.number == next && waiter.waiting.awaits(sent));
    if matches!(answer, Rotated::Retained { .. })
        && is_latest
        && next.is_none()
        && let Some(releasing) = calls.release_mut(number)
    {
        // A plain release is due, by the keeper.
        releasing.progress = Progress::Due(cx.now);
    }
    let outcome = match answer {
        Rotated::Retained { .. } => (is_latest && next.is_some()).then_some(Released::Freed),
        Rotated::HandedOver { .. } | Rotated::Freed => Some(Released::Freed),
        Rotated::NotOurs => Some(Released::NotOurs),
    };
    if let Some(outcome) = outcome {
        finish(calls, cx, number, Ok(outcome));
    }
    let Some(mut next) = next else { return };
    match answer {
        Rotated::Retained { fence } if is_latest => {
            let fences = Fences::block(fence, next.waiting.fences_asked_at(sent));
            next.token = token;
            (next.waiting.doubt, next.waiting.longest_ttl) = (doubt, longest_ttl);
            grant(calls, cx, next, Granted { fences, from: sent, by: By::Answer });
        }
        Rotated::HandedOver { clock } => {
            held_elsewhere(calls, cx, next, sent, (Some(HANDED_OVER_FOR), Some(clock)));
        }
        _ => ask_anew(calls, cx, next),
    }
}

/// A rotation failed: it is unknown whether the next local waiter is in the store's queue.
pub(super) fn rotation_failed<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    Rotating { next, sent }: Rotating,
    error: StoreError,
) {
    let next = calls.take_active_waiter(|waiter| waiter.number == next && waiter.waiting.awaits(sent));
    if let Some(next) = next {
        request_failed(calls, cx, next, error);
    }
}

/// The next local waiter was not enqueued at the store, and asks itself.
fn ask_anew<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, mut next: Waiter<C>) {
    next.waiting.start_over(cx.now);
    next.waiting.may_ask(cx.now);
    cx.wake(next.caller.clone());
    calls.active = Active::Waiter(next);
}
