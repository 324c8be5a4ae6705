//! Every way in which an acquire, a held lock or a client can fail, told apart by type.

use std::io;
use std::time::Duration;

use crate::key::{KeyFault, LockKey};
use crate::store::StoreError;

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
    #[error("lock `{key}` could not be had: the store is unavailable")]
    #[non_exhaustive]
    Unavailable {
        /// What was to be locked.
        key: LockKey,
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
    #[error("lock `{key}` is held by an enclosing call already, which would wait for itself")]
    #[non_exhaustive]
    AlreadyHeld {
        /// What was to be locked.
        key: LockKey,
    },
    /// The client is shutting down.
    #[error("lock `{key}` is not taken any more: the client is shutting down")]
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
/// assert_eq!(LossReason::Stolen.to_string(), "the store says that it is not ours any more");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LossReason {
    /// The deadline passed and no renewal had been confirmed.
    #[error("its lease expired before a renewal was confirmed")]
    Expired,
    /// The store said that the token does not hold the key: deleted, overwritten, or forgotten by the store.
    #[error("the store says that it is not ours any more")]
    Stolen,
    /// It had been held for `max_hold`.
    #[error("it was held for `max_hold`")]
    MaxHold,
    /// The client shut down and the grace was over.
    #[error("the client shut down")]
    Shutdown,
}

/// Which option cannot work, and what to write instead. Durations are the ones given.
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
}

/// Why a client could not be made.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let error = lock_runtime::Client::connect("ftp://example").await.unwrap_err();
/// assert!(error.to_string().contains("memory://"));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be understood; the text says why, and holds no password.
    #[error("the store's URL is invalid: {0}")]
    InvalidUrl(String),
    /// A client option has a value that cannot work; the text says which, and what to write instead.
    #[error("the client's options are invalid: {0}")]
    InvalidOptions(String),
    /// The store could not be reached in time.
    #[error("the store at {address} cannot be reached")]
    #[non_exhaustive]
    Unreachable {
        /// Where it was looked for; holds no password.
        address: String,
        /// What happened.
        source: StoreError,
    },
    /// The store was reached and cannot serve us: wrong credentials, a missing right, too old; or it is a replica, a
    /// node of a cluster or a Sentinel.
    #[error("the store at {address} refuses to serve this client")]
    #[non_exhaustive]
    Refused {
        /// Where it is; holds no password.
        address: String,
        /// What it said.
        source: StoreError,
    },
    /// The keeper thread could not be started.
    #[error("the keeper thread could not be started")]
    NoThread(#[source] io::Error),
    /// [`init`](crate::init) was called a second time in this process.
    #[error(transparent)]
    AlreadyInstalled(#[from] AlreadyInstalled),
}

/// A client is installed already; the first one stays.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// client.install()?;
/// assert!(client.install().is_err());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lock client is installed already; install one per process, or name others with `client = ..` or Client::scope"
)]
pub struct AlreadyInstalled;
