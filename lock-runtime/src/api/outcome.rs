//! What a lock failure becomes in the return type of an annotated function: by trait, never by the type's name.

use crate::engine::mistakes;
use lock_core::LockError;

/// A return type that can carry a [`LockError`]: `Result<T, E>` where `E: From<LockError>`.
///
/// ```
/// use lock_runtime::{FromLockError, LockError};
///
/// #[derive(Debug, thiserror::Error)]
/// enum JobError {
///     #[error("the lock: {0}")]
///     Lock(#[from] LockError),
/// }
/// fn carries<R: FromLockError>() {}
/// carries::<Result<(), JobError>>();
/// carries::<Result<u32, Box<dyn std::error::Error + Send + Sync>>>();
/// carries::<std::io::Result<()>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a lock failure",
    label = "this return type cannot say that the lock was not acquired or was lost",
    note = "return `Result<T, E>` with `E: From<LockError>`; an error type of your own gets that by `#[from] LockError` on a variant of a `thiserror` enum, or by an `impl From<LockError>`",
    note = "or say what to return instead: `or_else = |error| ..`, as for an error type of another crate: `or_else = |error| Err(Status::unavailable(error.to_string()))`; for a function that returns `()`: `or_else = lock_runtime::log_and_skip`",
    note = "a return type of your own, such as a wrapper around another crate's, can implement `FromLockError`"
)]
pub trait FromLockError {
    /// The value that says that the body did not run, or did not run to its end.
    fn from_lock_error(error: LockError) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<LockError>> FromLockError for Result<T, E> {
    fn from_lock_error(error: LockError) -> Self {
        Err(E::from(error))
    }
}

/// A return type that can say "skipped, because somebody else is at it, or did it": `()`, `Option<T>`, and `Result<T, E>` where
/// `T` can. Asked for by `on_busy = "skip"`.
///
/// ```
/// use lock_runtime::Skipped;
///
/// assert_eq!(<Option<u32>>::skipped(), None);
/// assert_eq!(<Result<(), String>>::skipped(), Ok(()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that the body was skipped",
    label = "`on_busy = \"skip\"` needs a return type that has a value for it",
    note = "return `()`, `Option<T>` or `Result<T, E>` of one of them, or leave out `on_busy = \"skip\"`"
)]
pub trait Skipped {
    /// The value that says that the body did not run because the lock was busy, or what it is for is done.
    fn skipped() -> Self;
}

impl Skipped for () {
    fn skipped() -> Self {}
}

impl<T> Skipped for Option<T> {
    fn skipped() -> Self {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: Skipped, E> Skipped for Result<T, E> {
    fn skipped() -> Self {
        Ok(T::skipped())
    }
}

/// The ready `or_else` for functions that return `()`: a warning (an informational event for a lock that is busy or done),
/// and no run.
///
/// A mistake in the program ([`LockError::NotConfigured`], [`LockError::InvalidOptions`]) would skip every run. It is
/// also written to stderr, whatever the subscriber, once for each place in the program.
///
/// ```
/// use lock_runtime::{distributed_lock, log_and_skip};
///
/// #[distributed_lock(key = "tick", ttl = "30s", or_else = log_and_skip)]
/// async fn tick() {}
/// ```
#[allow(clippy::needless_pass_by_value)] // the shape that `or_else` calls
pub fn log_and_skip(error: LockError) {
    mistakes::tell(&error, None);
    if let LockError::Busy { .. } | LockError::Done { .. } = error {
        tracing::info!(lock.key = %error.key(), "skipped: {error}");
    } else {
        tracing::warn!(lock.key = %error.key(), "skipped: {error}");
    }
}
