//! How mutexes are entered here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A poisoned mutex is entered all the same: the test that panicked says more than we could.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
