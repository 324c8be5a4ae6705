//! Every way in which making or installing a client can fail, told apart by type.

use std::io;

use crate::store::StoreError;

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
    #[error("failed to start the keeper thread")]
    NoThread(#[source] io::Error),
    /// [`init`](crate::init) was called again while the client that is installed is in use.
    #[error(transparent)]
    AlreadyInstalled(#[from] AlreadyInstalled),
}

/// A client is installed already and was not shut down; it stays.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// client.install()?;
/// assert!(client.install().is_err());
/// client.shutdown(std::time::Duration::ZERO).await;
/// lock_runtime::Client::connect("memory://").await?.install()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lock client is installed already and in use; shut it down before another takes its place, or name others with \
     `client = ..` or Client::scope"
)]
pub struct AlreadyInstalled;
