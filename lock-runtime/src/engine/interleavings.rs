//! `lease_state.rs`, and what it shares, once more over loom's primitives: there its tests try every order in which threads
//! can meet.
//!
//! Must stay true: the files are the very ones that ship, and nothing else differs. Deliberately absent: tokio's `Notify`,
//! which loom does not see into, and a feature or a flag to build any of this with: it runs with all other tests.

/// What the two files find in `super`.
mod sync {
    use std::sync::PoisonError;

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use loom::{model, thread};

    pub(crate) use lock_core::planted::{Mutant, planted};
    pub(crate) use lock_core::{LossReason, Moment};

    pub(crate) use super::validity::Validity;

    pub(crate) fn enter<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::duplicate_mod, dead_code)] // that is the point; and not all of it takes part
#[path = "lease_state.rs"]
mod lease_state;
#[allow(unreachable_pub, dead_code)]
#[path = "../../../lock-core/src/lease/validity.rs"]
mod validity;
