//! [`Client`]: the handle that everything begins with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::handle::Handle;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe::Stats;
use crate::engine::shared::Shared;
use crate::system::paused::{self, HeldOff};
use lock_core::client::{Closed, Tally};
use lock_core::store::Kind;
use lock_core::{LockKey, Moment};

/// A connection to a store of locks, with a thread that keeps leases alive. Cheap to clone.
///
/// A process that is forked makes clients of its own: with its parent's, which is the parent's to use, every call is
/// refused with [`LockError::Forked`](crate::LockError::Forked). So make the client after a program has become a
/// daemon, and in each of the workers that a server forks.
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
    /// What the client has done and does. In a process that was forked, what it had done before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.stats().acquired, 0);
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> Stats {
        if self.shared().is_forked() {
            return self.shared().observed.stats(0, 0, Tally::default());
        }
        let (held, waiting, tally) = self.shared().with(|client, _| (client.held(), client.waiting(), client.tally()));
        self.shared().observed.stats(held, waiting, tally)
    }

    /// Ends all locking through this client and all its clones.
    ///
    /// New acquires and waiters get [`LockError::ShuttingDown`](crate::LockError::ShuttingDown) at once. Bodies and
    /// guards may finish within `grace`; what still runs then is lost with
    /// [`LossReason::Shutdown`](crate::LossReason::Shutdown), and its body dropped at its next await point. Then all is
    /// released, for which one second is given, and one more for each 10,000 locks while the store is in reach. It
    /// cannot be undone, and may be called again, to wait or to shorten the grace.
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
        if self.shared().is_forked() {
            return ShutdownReport { lost: 0, left: Vec::new() };
        }
        let watcher = LeaseState::new(self.shared().place.clone(), LockKey::from("shutdown"), Kind::Exclusive, None);
        self.shared().with(|client, now| client.close(now, grace, Arc::clone(&watcher)));
        self.shared().alarms.ring(Moment::MAX);
        let _held_off = HeldOff::at_most(paused::FOR_AN_ANSWER);
        let Closed { lost, left } = watcher.until_some(|| self.shared().with(|client, _| client.closed())).await;
        self.shared().wake_keeper.notify_one();
        self.shared().introduction.ended().await;
        ShutdownReport { lost, left }
    }

    /// Ends all locking through this client and all its clones, as [`shutdown`](Self::shutdown) does, and then the
    /// client itself: its thread is gone when this returns, and its connections are closed, those of a runtime as soon
    /// as that is polled. For a plugin that is about to be unloaded, and for programs that count their threads.
    ///
    /// What the report says is left is left to its ttl: nobody is there to release it any more. Clones may live on, and
    /// refuse every call with [`LockError::ShuttingDown`](crate::LockError::ShuttingDown). It may be called again.
    ///
    /// # Cancellation
    /// Dropped half-way, the closing goes on by itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// let client = lock_runtime::Client::connect("memory://").await?;
    /// client.lock("job:42").run(async {}).await?;
    /// let report = client.close(Duration::from_secs(10)).await;
    /// assert!(report.left.is_empty());
    /// # Ok(()) }
    /// ```
    pub async fn close(&self, grace: Duration) -> ShutdownReport {
        if !self.shared().is_forked() {
            self.shared().thread.tell_to_end();
        }
        let report = self.shutdown(grace).await;
        if !self.shared().is_forked() {
            self.shared().wake_keeper.notify_one();
            self.shared().thread.gone().await;
        }
        report
    }

    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
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
