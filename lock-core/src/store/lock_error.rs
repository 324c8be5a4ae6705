//! Every way in which an acquire or a held lock can fail, told apart by type.

use std::fmt;
use std::io;
use std::time::Duration;

use super::error::StoreError;
use super::key::{KeyFault, LockKey};
use super::loss_reason::LossReason;
use super::option_fault::OptionFault;

/// Why the body did not run, or did not run to its end.
///
/// A variant exists where a caller would act differently; what the store said is the `source()`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::{Client, LockError};
///
/// let client = Client::connect("memory://").await?;
/// let _held = client.lock("job:42").acquire().await?;
/// match client.lock("job:42").acquire().await {
///     Err(LockError::Busy { key, .. }) => assert_eq!(key.as_str(), "job:42"),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// No client is installed, and the call names none: a mistake in the program.
    #[error("lock `{key}` has no client in lock_runtime {}: {}", VERSION, NoClient(*.scopes_used))]
    #[non_exhaustive]
    NotConfigured {
        /// What was to be locked.
        key: LockKey,
        /// Whether this process has used scopes.
        #[doc(hidden)]
        scopes_used: bool,
    },
    /// Somebody else holds the lock, and the time to wait is over.
    #[error("lock `{key}` is held elsewhere{}", Elsewhere(*.waited, *.free_in))]
    #[non_exhaustive]
    Busy {
        /// What was to be locked.
        key: LockKey,
        /// How long this call waited; zero for one that was not to wait.
        waited: Duration,
        /// When the lock is free at the latest, unless its holder renews it: what is left of the holder's ttl, as far
        /// as the store said. A holder that is alive renews; after one that crashed the lock is free by then.
        free_in: Option<Duration>,
    },
    /// What was to be done under the lock is done, and the period of its `once` is not over.
    #[error("lock `{key}` is not given out: what it is for is done{}", Again(*.again_in))]
    #[non_exhaustive]
    Done {
        /// What was to be locked.
        key: LockKey,
        /// When the lock is given out again.
        again_in: Duration,
    },
    /// The lock was held and was lost while the body ran; the body was dropped.
    #[error("lock `{key}` was lost: {reason}")]
    #[non_exhaustive]
    Lost {
        /// What was locked.
        key: LockKey,
        /// How it was lost.
        reason: LossReason,
    },
    /// The store could not be asked, or did not answer in time.
    #[error("failed to {operation} lock `{key}`: the store is unavailable")]
    #[non_exhaustive]
    Unavailable {
        /// What was to be locked, or is.
        key: LockKey,
        #[doc(hidden)]
        operation: Operation,
        /// What the store said last.
        source: Box<StoreError>,
    },
    /// The key is one that no store may see. Where a value of the key comes from outside, as a part of a URL does, this
    /// is bad input, to be refused as such (400 in HTTP); the fault says in which way. In a key without such values it
    /// is a mistake in the program.
    #[error("lock key `{key}` is invalid: {fault}")]
    #[non_exhaustive]
    InvalidKey {
        /// The key as it was given.
        key: LockKey,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// An option has a value that cannot work: a mistake in the program.
    #[error("lock `{key}` has invalid options: {fault}")]
    #[non_exhaustive]
    InvalidOptions {
        /// What was to be locked.
        key: LockKey,
        /// Which option, and what to write instead.
        fault: OptionFault,
    },
    /// The very task holds this lock already, further out, and would wait for itself.
    #[error(
        "lock `{key}` is already held by an enclosing call; acquiring it again would wait for ever (an attribute that \
         copies others, such as `#[server]`, goes below `#[distributed_lock]`; a call that may be part of the enclosing \
         one has `on_held = \"join\"`)"
    )]
    #[non_exhaustive]
    AlreadyHeld {
        /// What was to be locked.
        key: LockKey,
    },
    /// The client is shutting down.
    #[error("failed to acquire lock `{key}`: the client is shutting down")]
    #[non_exhaustive]
    ShuttingDown {
        /// What was to be locked.
        key: LockKey,
    },
    /// The client was made by another process, from which this one was forked. What that one holds it goes on holding.
    #[error(
        "lock `{key}` cannot be used in this process: its client was made before the process was forked; make a \
         client after the fork"
    )]
    #[non_exhaustive]
    Forked {
        /// What was to be locked, or is by the other process.
        key: LockKey,
    },
}

impl LockError {
    /// The key that the call was about.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = lock_runtime::Client::connect("memory://").await?;
    /// let error = client.lock("").acquire().await.unwrap_err();
    /// assert_eq!(error.key().as_str(), "");
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> &LockKey {
        match self {
            Self::NotConfigured { key, .. }
            | Self::Busy { key, .. }
            | Self::Done { key, .. }
            | Self::Lost { key, .. }
            | Self::Unavailable { key, .. }
            | Self::InvalidKey { key, .. }
            | Self::InvalidOptions { key, .. }
            | Self::AlreadyHeld { key }
            | Self::ShuttingDown { key }
            | Self::Forked { key } => key,
        }
    }
}

/// What a caller does with it.
impl LockError {
    /// Whether somebody else holds the lock: no failure, but an answer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::{LockError, LossReason};
    ///
    /// assert!(LockError::busy("job:42", Duration::ZERO).is_busy());
    /// assert!(!LockError::lost("job:42", LossReason::Expired).is_busy());
    /// ```
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// Whether what was to be done under the lock is done: no failure, but an answer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::LockError;
    ///
    /// assert!(LockError::done("report:2026-11", Duration::from_secs(3600)).is_done());
    /// assert!(!LockError::busy("report:2026-11", Duration::ZERO).is_done());
    /// ```
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// Whether the very same call may succeed later, and does no harm: the lock is busy, or the store unavailable.
    ///
    /// Not so `Lost`: the body ran in part, and only its author knows whether that may be repeated. Nor `Done`: there is
    /// nothing left to do. The others come back every time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::{LockError, LossReason};
    ///
    /// assert!(LockError::busy("job:42", Duration::ZERO).is_retryable());
    /// assert!(!LockError::lost("job:42", LossReason::Expired).is_retryable());
    /// assert!(!LockError::already_held("job:42").is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. })
    }

    /// Whether the program is wrong, and neither its input nor the world: there is no client, or an option cannot work.
    #[doc(hidden)]
    pub fn is_mistake(&self) -> bool {
        matches!(self, Self::NotConfigured { .. } | Self::InvalidOptions { .. })
    }
}

/// Whoever maps errors to something of its own can make each by hand, to test that.
impl LockError {
    /// No client is installed, and the call names none.
    ///
    /// ```
    /// use lock_runtime::LockError;
    ///
    /// assert!(matches!(LockError::not_configured("job:42"), LockError::NotConfigured { .. }));
    /// ```
    pub fn not_configured(key: impl Into<LockKey>) -> Self {
        Self::NotConfigured { key: key.into(), scopes_used: false }
    }

    /// Somebody else holds the lock, after this time to wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::LockError;
    ///
    /// let error = LockError::busy("job:42", Duration::from_secs(2)).with_free_in(Duration::from_secs(12));
    /// let text = "lock `job:42` is held elsewhere (waited 2s; free in at most 12s unless renewed)";
    /// assert_eq!(error.to_string(), text);
    /// ```
    pub fn busy(key: impl Into<LockKey>, waited: Duration) -> Self {
        Self::Busy { key: key.into(), waited, free_in: None }
    }

    /// The same, with the rest of the holder's ttl; without effect on any other variant than `Busy`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::LockError;
    ///
    /// let error = LockError::busy("job:42", Duration::ZERO).with_free_in(Duration::from_secs(12));
    /// assert!(matches!(error, LockError::Busy { free_in: Some(_), .. }));
    /// ```
    #[must_use]
    pub fn with_free_in(mut self, left: Duration) -> Self {
        if let Self::Busy { free_in, .. } = &mut self {
            *free_in = Some(left);
        }
        self
    }

    /// What was to be done under the lock is done, and it is given out again in so long.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::LockError;
    ///
    /// let error = LockError::done("report:2026-11", Duration::from_secs(90));
    /// let text = "lock `report:2026-11` is not given out: what it is for is done, and may be done again in 90s";
    /// assert_eq!(error.to_string(), text);
    /// ```
    pub fn done(key: impl Into<LockKey>, again_in: Duration) -> Self {
        Self::Done { key: key.into(), again_in }
    }

    /// The lock was lost while the body ran.
    ///
    /// ```
    /// use lock_runtime::{LockError, LossReason};
    ///
    /// let error = LockError::lost("job:42", LossReason::Stolen);
    /// assert!(matches!(error, LockError::Lost { reason: LossReason::Stolen, .. }));
    /// ```
    pub fn lost(key: impl Into<LockKey>, reason: LossReason) -> Self {
        Self::Lost { key: key.into(), reason }
    }

    /// The store could not be asked for the lock, and said this.
    ///
    /// ```
    /// use lock_runtime::LockError;
    /// use lock_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let said = StoreError::new(StoreErrorKind::Disconnected, "the connection was closed");
    /// assert!(matches!(LockError::unavailable("job:42", said), LockError::Unavailable { .. }));
    /// ```
    pub fn unavailable(key: impl Into<LockKey>, source: StoreError) -> Self {
        Self::unanswered(Operation::Acquire, key.into(), source)
    }

    #[doc(hidden)]
    pub fn unanswered(operation: Operation, key: LockKey, source: StoreError) -> Self {
        Self::Unavailable { key, operation, source: source.into() }
    }

    /// No store may see the key, for this reason.
    ///
    /// ```
    /// use lock_runtime::{KeyFault, LockError};
    ///
    /// assert!(matches!(LockError::invalid_key("", KeyFault::Empty), LockError::InvalidKey { .. }));
    /// ```
    pub fn invalid_key(key: impl Into<LockKey>, fault: KeyFault) -> Self {
        Self::InvalidKey { key: key.into(), fault }
    }

    /// An option has a value that cannot work.
    ///
    /// ```
    /// use lock_runtime::{LockError, OptionFault};
    ///
    /// let error = LockError::invalid_options("job:42", OptionFault::MinHoldOverTtl);
    /// assert!(matches!(error, LockError::InvalidOptions { fault: OptionFault::MinHoldOverTtl, .. }));
    /// ```
    pub fn invalid_options(key: impl Into<LockKey>, fault: OptionFault) -> Self {
        Self::InvalidOptions { key: key.into(), fault }
    }

    /// An enclosing call holds this very lock.
    ///
    /// ```
    /// use lock_runtime::LockError;
    ///
    /// assert!(matches!(LockError::already_held("job:42"), LockError::AlreadyHeld { .. }));
    /// ```
    pub fn already_held(key: impl Into<LockKey>) -> Self {
        Self::AlreadyHeld { key: key.into() }
    }

    /// The client is shutting down.
    ///
    /// ```
    /// use lock_runtime::LockError;
    ///
    /// assert!(matches!(LockError::shutting_down("job:42"), LockError::ShuttingDown { .. }));
    /// ```
    pub fn shutting_down(key: impl Into<LockKey>) -> Self {
        Self::ShuttingDown { key: key.into() }
    }

    /// The client was made before the process was forked.
    ///
    /// ```
    /// use lock_runtime::LockError;
    ///
    /// assert!(matches!(LockError::forked("job:42"), LockError::Forked { .. }));
    /// ```
    pub fn forked(key: impl Into<LockKey>) -> Self {
        Self::Forked { key: key.into() }
    }

    /// The same, in a process in which clients were given to scopes; without effect on any other variant than
    /// `NotConfigured`.
    #[doc(hidden)]
    #[must_use]
    pub fn with_scopes_used(mut self, used: bool) -> Self {
        if let Self::NotConfigured { scopes_used, .. } = &mut self {
            *scopes_used = used;
        }
        self
    }
}

/// What else is known of a lock that is held elsewhere.
struct Elsewhere(Duration, Option<Duration>);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(waited, free_in) = self;
        let waited = (waited >= MILLISECOND).then(|| Duration::from_millis(millis(waited)));
        let free_in = free_in.map(rounded_up);
        match (waited, free_in) {
            (None, None) => Ok(()),
            (Some(waited), None) => write!(f, " (waited {waited:?})"),
            (None, Some(left)) => write!(f, " (free in at most {left:?} unless renewed)"),
            (Some(waited), Some(left)) => write!(f, " (waited {waited:?}; free in at most {left:?} unless renewed)"),
        }
    }
}

/// When it may be done again.
struct Again(Duration);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", and may be done again in {:?}", rounded_up(self.0))
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// To whole seconds, or whole milliseconds below one: so that it stays true, and is easy to read.
fn rounded_up(duration: Duration) -> Duration {
    let unit = if duration > Duration::from_secs(1) { Duration::from_secs(1) } else { MILLISECOND };
    let begun = unit.saturating_sub(Duration::from_nanos(1));
    Duration::from_millis(millis(duration + begun) / millis(unit) * millis(unit))
}

/// Each version that a program links has clients of its own.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where to look for the client that a call has not.
struct NoClient(bool);

impl fmt::Display for NoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "call lock_runtime::init(url) once at start-up, or name one with `client = ..`; \
             another version of lock_runtime in the program has a client of its own",
        )?;
        if self.0 {
            f.write_str(
                "; this process gives clients to scopes, which tasks do not inherit: \
                 spawn `client.scope(future)` with the client of `Client::current()`",
            )?;
        }
        Ok(())
    }
}

/// What was asked of a store that is unavailable, for the error's text.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Acquire,
    Renew,
    Release,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
        })
    }
}

/// So that `?` works in functions that return `std::io::Result`.
impl From<LockError> for io::Error {
    fn from(error: LockError) -> Self {
        let kind = match error {
            LockError::Busy { .. } | LockError::AlreadyHeld { .. } => io::ErrorKind::WouldBlock,
            LockError::Done { .. } => io::ErrorKind::AlreadyExists,
            LockError::InvalidKey { .. } | LockError::InvalidOptions { .. } => io::ErrorKind::InvalidInput,
            LockError::Unavailable { .. } => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests;
