//! Giving tokens back: releases of what nobody holds, and the end of a release.
//!
//! Must stay true: a request that may have taken effect is followed by a release, which also removes the token from the
//! queue.

use super::calls::Calls;
use super::context::Context;
use super::doubt::Doubt;
use super::held::Held;
use super::ids::Number;
use super::local_queue::Waiter;
use super::releasing::{Orphan, Progress, ReleaseClass, Releasing};
use crate::store::{Released, StoreError, Token};

/// Queues a release of a waiter's token, if there is anything to undo.
pub(super) fn give_back<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, waiter: &Waiter<C>) {
    let waiting = &waiter.waiting;
    let (doubt, leave) = (waiting.in_doubt(), waiting.entry.as_ref().map(|(entry, _)| Box::new(entry.clone())));
    if doubt != Doubt::Nowhere || leave.is_some() {
        let (kind, ttl) = (waiting.terms.kind, waiting.terms.ttl.max(waiting.longest_ttl));
        push_orphan(calls, cx, waiter.token, Orphan { kind, ttl, doubt, leave });
    }
}

/// Queues a release of a lease that its task never saw.
pub(super) fn give_back_unseen<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, token: Token, held: &Held) {
    let (ttl, doubt, leave) = (held.longest_ttl, held.doubt(), held.entry().cloned().map(Box::new));
    push_orphan(calls, cx, token, Orphan { kind: held.kind, ttl, doubt, leave });
}

/// Queues a release of this token.
pub(super) fn push_orphan<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, token: Token, what: Orphan) {
    let (number, is_in_doubt) = (cx.number(), what.doubt != Doubt::Nowhere);
    let mut releasing = Releasing::orphan(cx.now, number, token, what);
    if is_in_doubt {
        releasing.request_in_flight(cx.known.settings.operation_timeout);
    }
    calls.others_or_new(cx.spare).releases.push(releasing);
}

/// The release is finished; a task that awaits it is woken.
pub(super) fn finish<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    outcome: Result<Released, StoreError>,
) {
    let Some(releasing) = calls.release_mut(number) else { return };
    if releasing.blocks_queue() {
        releasing.class = ReleaseClass::Background;
    }
    let sent = std::mem::replace(&mut releasing.progress, Progress::Finished(outcome));
    match (releasing.awaited_until, sent) {
        // The task that reported the answer knows it.
        (Some(_), Progress::SentByTask { .. }) => {}
        (Some(_), _) => {
            if let Some(caller) = releasing.caller.clone() {
                cx.wake(caller);
            }
        }
        (None, _) => drop(calls.remove_release(number)),
    }
}
