//! How every mutex of this crate is entered.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Enters a mutex, also if somebody panicked inside it: nothing under one is left half changed, and a lease is bounded
/// by its deadline whatever happens here.
pub(crate) fn enter<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
