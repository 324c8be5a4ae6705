//! `lease_state.rs`, and the validity in it, compiled once more over loom's primitives, so that their tests run under
//! every interleaving of threads.
//!
//! Must stay true: these are the very files that ship, and nothing else differs. Deliberately absent: tokio's `Notify`,
//! which loom does not model; and a feature or flag, so that this runs with all other tests.

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
