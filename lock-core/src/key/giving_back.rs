//! Tokens that are given back: what nobody holds gets a release of its own, and a release ends.
//!
//! Must stay true: what may have taken effect is followed by a release, which also takes the token out of the queue.

use super::calls::Calls;
use super::context::Context;
use super::doubt::Doubt;
use super::held::Held;
use super::ids::Number;
use super::local_queue::Waiter;
use super::releasing::{Orphan, Progress, Releasing, Standing};
use crate::store::{Released, StoreError, Token};

/// Queues a release of a waiter's token, if there is anything to release.
pub(super) fn give_back<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, waiter: &Waiter<C>) {
    let waiting = &waiter.waiting;
    let (doubt, leave) = (waiting.in_doubt(), waiting.entry.as_ref().map(|(entry, _)| entry.clone()));
    if doubt != Doubt::Nowhere || leave.is_some() {
        let ttl = waiting.terms.ttl.max(waiting.longest_ttl);
        push_orphan(calls, cx, waiter.token, Orphan { ttl, doubt, leave });
    }
}

/// Queues a release of a lease that its task never saw.
pub(super) fn give_back_unseen<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, token: Token, held: &Held) {
    let (ttl, doubt, leave) = (held.longest_ttl, held.doubt(), held.entry().cloned());
    push_orphan(calls, cx, token, Orphan { ttl, doubt, leave });
}

fn push_orphan<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, token: Token, what: Orphan) {
    let number = cx.number();
    calls.rest_or_new(cx.spare).releases.push(Releasing::orphan(cx.now, number, token, what));
}

/// The release is over; a task that awaits it has yet to hear.
pub(super) fn over<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    outcome: Result<Released, StoreError>,
) {
    let Some(releasing) = calls.release_mut(number) else { return };
    if releasing.holds_queue() {
        releasing.standing = Standing::Apart;
    }
    let sent = std::mem::replace(&mut releasing.progress, Progress::Over(outcome));
    match (releasing.wanted_until, sent) {
        // The task that told the answer knows it.
        (Some(_), Progress::SentByTask { .. }) => {}
        (Some(_), _) => {
            if let Some(caller) = releasing.caller.clone() {
                cx.wake(caller);
            }
        }
        (None, _) => drop(calls.remove_release(number)),
    }
}
