//! Those of one client who hold a key beside each other: each is treated as the one who holds it alone would be.
//!
//! Must stay true: all of them are of kinds that agree; whoever of a set is granted the key stands here once the event
//! is over that granted it, so that the next may ask. They are looked through one by one, as one process seldom holds a
//! key more than some dozen times at once. Absent on purpose: what becomes of a lease.

use super::calls::{Active, Calls, Holder};
use super::context::Context;
use super::ids::Number;
use crate::store::Kind;

/// Runs an event with that holder as the active call, if it holds beside others; else as it is.
pub(super) fn with<C, R>(
    calls: &mut Calls<C>,
    is_it: impl Fn(&Holder<C>) -> bool,
    event: impl FnOnce(&mut Calls<C>) -> R,
) -> R {
    let beside = calls.others_mut().map(|others| &mut others.beside);
    let found = beside.and_then(|beside| beside.iter().position(is_it).map(|at| (at, beside.remove(at))));
    let Some((at, holder)) = found else { return event(calls) };
    let active = std::mem::replace(&mut calls.active, Active::Holder(holder));
    let answer = event(calls);
    let after = std::mem::replace(&mut calls.active, active);
    debug_assert!(!matches!(after, Active::Waiter(_)), "a lease of a set goes to nobody here");
    if let (Active::Holder(holder), Some(others)) = (after, calls.others_mut()) {
        others.beside.insert(at, holder);
    }
    answer
}

/// The same for the call of this number.
pub(super) fn with_number<C, R>(calls: &mut Calls<C>, number: Number, event: impl FnOnce(&mut Calls<C>) -> R) -> R {
    with(calls, |holder| holder.number == number, event)
}

/// The same for each that is such, one after the other.
pub(super) fn with_each<C>(
    calls: &mut Calls<C>,
    is_such: impl Fn(&Holder<C>) -> bool,
    mut event: impl FnMut(&mut Calls<C>),
) {
    let such = calls.others().into_iter().flat_map(|others| &others.beside).filter(|holder| is_such(holder));
    let numbers: Vec<Number> = such.map(|holder| holder.number).collect();
    for number in numbers {
        with_number(calls, number, &mut event);
    }
}

/// If the active call is one of a set and holds, it stands beside from now on.
pub(super) fn step_aside<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    if let Some(holder) = calls.take_active_holder(|holder| holder.held.kind != Kind::Exclusive) {
        calls.others_or_new(cx.spare).beside.push(holder);
    }
}
