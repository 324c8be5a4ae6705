//! The bodies that are being polled on this thread, outermost first.
//!
//! This is what [`current`](crate::current) sees, and how a call that would wait for itself is refused. It follows
//! polls, not tasks: a spawned task is not inside.

use std::cell::RefCell;
use std::sync::Arc;

use crate::engine::lease_state::LeaseState;
use crate::system::clock;
use lock_core::LockKey;

thread_local! {
    static BODIES: RefCell<Vec<Arc<LeaseState>>> = const { RefCell::new(Vec::new()) };
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

/// The innermost body's lease.
pub(crate) fn innermost() -> Option<Arc<LeaseState>> {
    BODIES.try_with(|bodies| bodies.borrow().last().cloned()).ok().flatten()
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
