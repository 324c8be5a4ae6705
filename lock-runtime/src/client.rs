//! [`Client`]: the handle that everything begins with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::builder::ClientBuilder;
use crate::core::Closed;
use crate::error::{AlreadyInstalled, ConnectError};
use crate::global;
use crate::key::LockKey;
use crate::observe::Stats;
use crate::request::LockRequest;
use crate::seat::Seat;
use crate::shared::Shared;

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
    handle: Arc<Handle>,
}

/// Alive as long as anybody needs the keeper.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl Client {
    /// Connects to the store at a URL, and fails at once if it cannot be reached or refuses the credentials.
    ///
    /// | URL | store |
    /// |---|---|
    /// | `memory://` | one of its own, in this process |
    /// | `memory://name` | one in this process, shared by all clients of that name |
    /// | `redis://user:password@host:port/db` | a Redis or Valkey server, 6.2 or later |
    /// | `rediss://..` | the same over TLS (feature `tls`) |
    /// | `redis+unix:///path?db=1&user=..&pass=..` | the same over a Unix socket |
    ///
    /// # Errors
    /// [`ConnectError`] tells a wrong URL, an unreachable server and one that refuses apart; no text holds a password.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = lock_runtime::Client::connect("memory://jobs").await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder().connect(url).await
    }

    /// Makes a client that connects in the background, and goes on trying for ever. Until it is connected, an acquire
    /// waits for as long as it may and then fails with [`LockError::Unavailable`](crate::LockError::Unavailable).
    ///
    /// # Errors
    /// [`ConnectError`] for what can be known without the server, such as a wrong URL.
    ///
    /// ```
    /// let client = lock_runtime::Client::connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn connect_lazy(url: &str) -> Result<Self, ConnectError> {
        Self::builder().connect_lazy(url)
    }

    /// Starts a client with other settings than the default ones.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// let client = lock_runtime::Client::builder().ttl(Duration::from_secs(10)).connect("memory://").await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Makes this the client of all annotated functions in this process that name no other. Once per process.
    ///
    /// # Errors
    /// [`AlreadyInstalled`] if there is one; it stays.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// lock_runtime::Client::connect("memory://").await?.install()?;
    /// # Ok(()) }
    /// ```
    pub fn install(&self) -> Result<(), AlreadyInstalled> {
        global::install(self)
    }

    /// Runs a future in which annotated functions that name no client use this one: for tests and tenants.
    ///
    /// Tasks that the future spawns do not inherit it.
    ///
    /// ```
    /// use lock_runtime::{Client, LockError, distributed_lock};
    ///
    /// #[distributed_lock(key = "job:<id>", ttl = "30s")]
    /// async fn run_job(id: u64) -> Result<u64, LockError> {
    ///     Ok(id)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::connect("memory://").await?;
    /// assert_eq!(client.scope(run_job(42)).await?, 42);
    /// # Ok(()) }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        global::scope(self.clone(), future)
    }

    /// Prepares to take a lock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock(format!("job:{}", 42)).acquire().await?;
    /// # Ok(()) }
    /// ```
    pub fn lock(&self, key: impl Into<LockKey>) -> LockRequest {
        LockRequest::new(self.clone(), key.into())
    }

    /// What the client has done and does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.stats().acquired, 0);
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> Stats {
        let (held, waiting, tally) = self.shared().with(|core, _| (core.held(), core.waiting(), core.tally()));
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
        let watcher = Seat::new(self.shared().place.clone(), LockKey::from("shutdown"));
        self.shared().with(|core, now| core.close(now, grace, Arc::clone(&watcher)));
        let Closed { lost, left } = watcher.until_some(|| self.shared().with(|core, _| core.closed())).await;
        ShutdownReport { lost, left }
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle { shared }) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
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
