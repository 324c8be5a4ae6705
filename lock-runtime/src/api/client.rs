//! [`Client`]: the handle that everything begins with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::handle::Handle;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe::Stats;
use crate::engine::shared::Shared;
use crate::system::paused::{self, HeldOff};
use lock_core::LockKey;
use lock_core::client::Closed;

/// A connection to a store of locks, with a thread that keeps leases alive. Cheap to clone.
///
/// It works on any executor, and outlives the runtime that it was made on. The thread ends by itself once no client,
/// guard or body is left and what they left behind has been released; dropping the last one does not wait for that.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::Client;
///
/// let client = Client::connect("memory://").await?;
/// let guard = client.lock("job:42").acquire().await?;
/// assert!(client.lock("job:42").acquire().await.is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    handle: Handle,
}

impl Client {
    /// What the client has done and does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.stats().acquired, 0);
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> Stats {
        let (held, waiting, tally) = self.shared().with(|client, _| (client.held(), client.waiting(), client.tally()));
        self.shared().observed.stats(held, waiting, tally)
    }

    /// Ends all locking through this client and all its clones.
    ///
    /// New acquires and waiters get [`LockError::ShuttingDown`](crate::LockError::ShuttingDown) at once. Bodies and
    /// guards may finish within `grace`; what still runs then is lost with
    /// [`LossReason::Shutdown`](crate::LossReason::Shutdown), and its body dropped at its next await point. Then all is
    /// released, for which one second is given. It cannot be undone, and may be called again, to wait or to shorten the
    /// grace.
    ///
    /// # Cancellation
    /// Dropped half-way, the shutdown goes on by itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let report = client.shutdown(Duration::from_secs(10)).await;
    /// assert!(report.left.is_empty());
    /// # Ok(()) }
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let watcher = LeaseState::new(self.shared().place.clone(), LockKey::from("shutdown"));
        self.shared().with(|client, now| client.close(now, grace, Arc::clone(&watcher)));
        let _held_off = HeldOff::at_most(paused::FOR_AN_ANSWER);
        let Closed { lost, left } = watcher.until_some(|| self.shared().with(|client, _| client.closed())).await;
        self.shared().wake_keeper.notify_one();
        self.shared().introduction.ended().await;
        ShutdownReport { lost, left }
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Handle::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.handle.shared()
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

/// Shows where the locks are; no credentials.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.shared().place).finish_non_exhaustive()
    }
}

/// What a [`shutdown`](Client::shutdown) came to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::time::Duration;
/// # let client = lock_runtime::Client::connect("memory://").await?;
/// let guard = client.lock("job:42").acquire().await?;
/// let report = client.shutdown(Duration::ZERO).await;
/// assert_eq!((report.lost, report.left.len()), (1, 1)); // the guard is still in somebody's hand
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many locks were lost because the grace was over.
    pub lost: usize,
    /// The keys that are left to their ttl: their body or guard was not gone a second after the grace, or the store did
    /// not confirm their release.
    pub left: Vec<LockKey>,
}
