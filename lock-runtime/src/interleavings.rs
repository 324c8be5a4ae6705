//! `seat.rs` once more, over loom's primitives: there its tests try every order in which threads can meet.
//!
//! Must stay true: the file is the very one that ships, and nothing else differs. Deliberately absent: tokio's `Notify`,
//! which loom does not see into, and a feature or a flag to build any of this with: it runs with all other tests.

/// What `seat.rs` finds in `super`.
mod sync {
    use std::sync::PoisonError;

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use loom::{model, thread};

    pub(crate) fn enter<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::duplicate_mod, dead_code)] // that is the point; and not all of it takes part
#[path = "seat.rs"]
mod seat;
