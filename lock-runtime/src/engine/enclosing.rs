//! The bodies that are being polled on this thread, outermost first.
//!
//! This is what [`current`](crate::current) sees, and how a call that would wait for itself is refused. It follows
//! polls, not tasks: a spawned task is not inside.

use std::cell::RefCell;
use std::sync::Arc;

use crate::engine::lease_state::LeaseState;
use crate::engine::several::leases::Leases;
use crate::system::clock;
use lock_core::LockKey;

thread_local! {
    /// A body under several keys stands here with the lease of each.
    static BODIES: RefCell<Vec<Arc<LeaseState>>> = const { RefCell::new(Vec::new()) };
    /// The bodies under several keys, each with how many leases there were once its own stood among them.
    static SETS: RefCell<Vec<(usize, Arc<Leases>)>> = const { RefCell::new(Vec::new()) };
}

/// Until it is dropped, this thread is inside the body.
pub(crate) struct Inside(());

pub(crate) fn enter(state: &Arc<LeaseState>) -> Inside {
    BODIES.with_borrow_mut(|bodies| bodies.push(Arc::clone(state)));
    Inside(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        BODIES.with_borrow_mut(Vec::pop);
    }
}

/// Until it is dropped, this thread is inside a body under several keys.
pub(crate) struct InsideAll(());

pub(crate) fn enter_all(leases: &Arc<Leases>) -> InsideAll {
    let depth = BODIES.with_borrow_mut(|bodies| {
        bodies.extend(leases.states().iter().cloned());
        bodies.len()
    });
    SETS.with_borrow_mut(|sets| sets.push((depth, Arc::clone(leases))));
    InsideAll(())
}

impl Drop for InsideAll {
    fn drop(&mut self) {
        let left = SETS.with_borrow_mut(Vec::pop);
        let own = left.map_or(0, |(_, leases)| leases.states().len());
        BODIES.with_borrow_mut(|bodies| bodies.truncate(bodies.len().saturating_sub(own)));
    }
}

/// The innermost body's lease; none if it has several.
pub(crate) fn innermost() -> Option<Arc<LeaseState>> {
    if innermost_set().is_some() {
        return None;
    }
    BODIES.try_with(|bodies| bodies.borrow().last().cloned()).ok().flatten()
}

/// The innermost body's leases, if it has several.
pub(crate) fn innermost_set() -> Option<Arc<Leases>> {
    let depth = BODIES.try_with(|bodies| bodies.borrow().len()).ok()?;
    let innermost = |sets: &RefCell<Vec<(usize, Arc<Leases>)>>| sets.borrow().last().cloned();
    let (at, leases) = SETS.try_with(innermost).ok().flatten()?;
    (at == depth).then_some(leases)
}

/// The lease of an enclosing body that still holds this key of this store, the innermost if there are several.
pub(crate) fn holder(place: &str, key: &LockKey) -> Option<Arc<LeaseState>> {
    let held = |state: &&Arc<LeaseState>| *state.place == *place && state.key == *key && clock::now() < state.until();
    BODIES.try_with(|bodies| bodies.borrow().iter().rev().find(held).cloned()).ok().flatten()
}

/// Whether an enclosing body runs under this lease.
pub(crate) fn is_inside(state: &Arc<LeaseState>) -> bool {
    BODIES.try_with(|bodies| bodies.borrow().iter().any(|body| Arc::ptr_eq(body, state))).unwrap_or(false)
}
