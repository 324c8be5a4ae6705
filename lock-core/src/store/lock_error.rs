//! Every way in which an acquire or a held lock can fail, told apart by type.

use std::fmt;
use std::io;
use std::time::Duration;

use super::error::StoreError;
use super::key::{KeyFault, LockKey};
use super::kind::Kind;

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
    /// No client is installed, and the call names none.
    #[error(
        "lock `{key}` has no client: call lock_runtime::init(url) once at start-up, or name one with `client = ..`"
    )]
    #[non_exhaustive]
    NotConfigured {
        /// What was to be locked.
        key: LockKey,
    },
    /// Somebody else holds the lock, and the time to wait is over.
    #[error("lock `{key}` is held elsewhere (waited {waited:?})")]
    #[non_exhaustive]
    Busy {
        /// What was to be locked.
        key: LockKey,
        /// How long this call waited.
        waited: Duration,
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
    /// The key is one that no store may see.
    #[error("lock key `{key}` is invalid: {fault}")]
    #[non_exhaustive]
    InvalidKey {
        /// The key as it was given.
        key: LockKey,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// An option has a value that cannot work.
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
         copies others, such as `#[server]`, goes below `#[distributed_lock]`)"
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
            Self::NotConfigured { key }
            | Self::Busy { key, .. }
            | Self::Lost { key, .. }
            | Self::Unavailable { key, .. }
            | Self::InvalidKey { key, .. }
            | Self::InvalidOptions { key, .. }
            | Self::AlreadyHeld { key }
            | Self::ShuttingDown { key } => key,
        }
    }
}

/// Variants have no constructor outside this crate, as they may grow; these are for our own.
#[doc(hidden)]
impl LockError {
    pub fn not_configured(key: LockKey) -> Self {
        Self::NotConfigured { key }
    }

    pub fn busy(key: LockKey, waited: Duration) -> Self {
        Self::Busy { key, waited }
    }

    pub fn lost(key: LockKey, reason: LossReason) -> Self {
        Self::Lost { key, reason }
    }

    pub fn unavailable(key: LockKey, source: StoreError) -> Self {
        Self::unanswered(Operation::Acquire, key, source)
    }

    pub fn unanswered(operation: Operation, key: LockKey, source: StoreError) -> Self {
        Self::Unavailable { key, operation, source: source.into() }
    }

    pub fn invalid_key(key: LockKey, fault: KeyFault) -> Self {
        Self::InvalidKey { key, fault }
    }

    pub fn invalid_options(key: LockKey, fault: OptionFault) -> Self {
        Self::InvalidOptions { key, fault }
    }

    pub fn already_held(key: LockKey) -> Self {
        Self::AlreadyHeld { key }
    }

    pub fn shutting_down(key: LockKey) -> Self {
        Self::ShuttingDown { key }
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
            LockError::InvalidKey { .. } | LockError::InvalidOptions { .. } => io::ErrorKind::InvalidInput,
            LockError::Unavailable { .. } => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// How a lock was lost.
///
/// ```
/// use lock_runtime::LossReason;
///
/// assert_eq!(LossReason::Stolen.to_string(), "its key was deleted or overwritten in the store");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LossReason {
    /// The deadline passed and no renewal had been confirmed.
    #[error("its lease expired before a renewal was confirmed")]
    Expired,
    /// The store said that the token does not hold the key: deleted, overwritten, or forgotten by the store.
    #[error("its key was deleted or overwritten in the store")]
    Stolen,
    /// It had been held for `max_hold`.
    #[error("`max_hold` was reached")]
    MaxHold,
    /// The client shut down and the grace was over.
    #[error("the client shut down")]
    Shutdown,
}

/// As a number, for those who share one; 0 is none.
#[doc(hidden)]
impl LossReason {
    const ALL: [Self; 4] = [Self::Expired, Self::Stolen, Self::MaxHold, Self::Shutdown];

    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// Which option cannot work, and what to write instead. Durations are the ones given, but for a store's bounds.
///
/// ```
/// use lock_runtime::OptionFault;
///
/// let fault = OptionFault::MinHoldOverTtl;
/// assert_eq!(fault.to_string(), "min_hold is longer than ttl; raise ttl or lower min_hold");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionFault {
    /// A `ttl` under 50 ms: network and drift would eat it up.
    #[error("ttl {0:?} is too short; 50ms is the shortest")]
    TtlTooShort(Duration),
    /// A `ttl` over 30 days.
    #[error("ttl {0:?} is too long; 30 days is the longest, and a held lock is renewed anyway")]
    TtlTooLong(Duration),
    /// A `wait` over 30 days that is not `forever`.
    #[error(
        "wait {0:?} is too long; 30 days is the longest, or wait for ever with wait_forever() or wait = \"forever\""
    )]
    WaitTooLong(Duration),
    /// A `min_hold` over the `ttl`.
    #[error("min_hold is longer than ttl; raise ttl or lower min_hold")]
    MinHoldOverTtl,
    /// A `max_hold` under the `ttl`.
    #[error("max_hold is shorter than ttl; raise max_hold or lower ttl")]
    MaxHoldUnderTtl,
    /// A `max_hold` without renewal: it bounds the renewal.
    #[error("max_hold has no meaning with renew = false; leave one of them out")]
    MaxHoldWithoutRenewal,
    /// A kind of lock that the store does not claim to keep.
    #[error("the store keeps no {0}; leave the option out, or use a store that keeps them")]
    KindNotKept(Kind),
    /// A `ttl` under the store's own bound, which is this.
    #[error("ttl is too short for the store; {0:?} is its shortest")]
    TtlUnderStores(Duration),
    /// A `ttl` over the store's own bound, which is this.
    #[error("ttl is too long for the store; {0:?} is its longest, and a held lock is renewed anyway")]
    TtlOverStores(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreErrorKind;

    #[test]
    fn a_text_says_what_failed_and_of_which_lock() {
        let key = || LockKey::from("job");
        let source = || StoreError::new(StoreErrorKind::Unready, "the server is out of memory");
        let texts = [
            (LockError::unavailable(key(), source()), "failed to acquire lock `job`: the store is unavailable"),
            (
                LockError::unanswered(Operation::Renew, key(), source()),
                "failed to renew lock `job`: the store is unavailable",
            ),
            (
                LockError::unanswered(Operation::Release, key(), source()),
                "failed to release lock `job`: the store is unavailable",
            ),
            (LockError::shutting_down(key()), "failed to acquire lock `job`: the client is shutting down"),
            (LockError::lost(key(), LossReason::MaxHold), "lock `job` was lost: `max_hold` was reached"),
            (LockError::busy(key(), Duration::from_secs(2)), "lock `job` is held elsewhere (waited 2s)"),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn what_a_store_cannot_is_told_with_what_it_can() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(60));
        let texts = [
            (
                OptionFault::KindNotKept(Kind::Shared),
                "the store keeps no shared locks; leave the option out, or use a store that keeps them",
            ),
            (
                OptionFault::KindNotKept(Kind::permits(5).with_weight(2)),
                "the store keeps no permits with a weight; leave the option out, or use a store that keeps them",
            ),
            (OptionFault::TtlUnderStores(long), "ttl is too short for the store; 60s is its shortest"),
            (
                OptionFault::TtlOverStores(short),
                "ttl is too long for the store; 1s is its longest, and a held lock is renewed anyway",
            ),
        ];
        for (fault, text) in texts {
            assert_eq!(fault.to_string(), text);
        }
    }
}
