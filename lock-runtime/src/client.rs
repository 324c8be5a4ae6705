//! [`Client`] and how one is made: from a URL, or over a store of one's own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::core::{Closed, Terms, Wait};
use crate::duration;
use crate::error::{AlreadyInstalled, ConnectError};
use crate::keeper::{self, FirstTry};
use crate::key::LockKey;
use crate::observe::Stats;
use crate::request::LockRequest;
use crate::seat::Seat;
use crate::shared::Shared;
use crate::store::{MemoryStore, Store, StoreErrorKind};
use crate::{exit, global};

/// How long one operation of the store may take at most, whatever is asked for.
const LONGEST_OPERATION: Duration = Duration::from_secs(5);
/// How long it must be allowed to take at least.
const SHORTEST_OPERATION: Duration = Duration::from_millis(50);

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
        let (held, waiting) = self.shared().with(|core, _| (core.held(), core.waiting()));
        self.shared().observed.stats(held, waiting)
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
        let terms = Terms { ttl: grace, wait: Wait::Forever, renew: false, max_hold: None, min_hold: None };
        let watcher = Seat::new(self.shared().place.clone(), LockKey::from("shutdown"), terms);
        self.shared().with(|core, now| core.close(now, grace, Arc::clone(&watcher)));
        let Closed { lost, left } = watcher.until_some(|| self.shared().with(|core, _| core.closed())).await;
        ShutdownReport { lost, left }
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

/// Settings of a client; see [`Client::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::Client;
///
/// let client = Client::builder()
///     .namespace("billing")
///     .ttl(Duration::from_secs(10))
///     .operation_timeout(Duration::from_secs(2))
///     .connect("memory://")
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing unless it connects"]
pub struct ClientBuilder {
    namespace: String,
    name_format: Option<String>,
    ttl: Duration,
    operation_timeout: Duration,
    nodelay: bool,
    root_certificates: Option<RootCertificates>,
}

/// Not worth a page in a `Debug` output.
#[derive(Clone)]
struct RootCertificates(Vec<u8>);

impl fmt::Debug for RootCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Every setting has its example in [`ClientBuilder`]'s own.
impl ClientBuilder {
    /// The default settings.
    ///
    /// ```
    /// let client = lock_runtime::ClientBuilder::new().connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn new() -> Self {
        Self {
            namespace: "lock".to_owned(),
            name_format: None,
            ttl: Duration::from_secs(30),
            operation_timeout: LONGEST_OPERATION,
            nodelay: false,
            root_certificates: None,
        }
    }

    /// Stands before every key in the store, so that programs with other namespaces never meet: `lock` by default, so
    /// that `job:42` is `lock:{job:42}` in Redis. It may be empty.
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().namespace("billing").connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How a lock is named in Redis, with `<key>` in it once: to share locks with programs that use a plain
    /// `SET key token NX PX` under names of their own. By default `<namespace>:{<key>}`.
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().name_format("myapp/locks/<key>").connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn name_format(mut self, format: impl Into<String>) -> Self {
        self.name_format = Some(format.into());
        self
    }

    /// The ttl of locks that name none: 30 s by default.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let client = lock_runtime::Client::builder().ttl(Duration::from_secs(10)).connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long one operation of the store may stay without an answer, connecting included: 50 ms to 5 s, by default
    /// 5 s. An acquire that does not wait fails after it, if the store is silent.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let builder = lock_runtime::Client::builder().operation_timeout(Duration::from_secs(1));
    /// # let client = builder.connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn operation_timeout(mut self, operation_timeout: Duration) -> Self {
        self.operation_timeout = operation_timeout;
        self
    }

    /// Whether every command is sent to Redis at once instead of together with others (`TCP_NODELAY`). Off by default:
    /// on loopback it costs throughput; over a network with delay it may save a round trip.
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().nodelay(true).connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Certificates in PEM form to trust for `rediss://`, instead of the list of well-known ones.
    ///
    /// ```no_run
    /// let pem = std::fs::read("ca.pem")?;
    /// let client = lock_runtime::Client::builder().root_certificates(pem).connect_lazy("rediss://db.internal")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(RootCertificates(pem.into()));
        self
    }

    /// As [`Client::connect`], with these settings.
    ///
    /// # Errors
    /// As [`Client::connect`]; and [`ConnectError::InvalidOptions`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = lock_runtime::Client::builder().connect("memory://").await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect(self, url: &str) -> Result<Client, ConnectError> {
        let store = self.store_at(url)?;
        self.connected(store).await
    }

    /// As [`Client::connect_lazy`], with these settings.
    ///
    /// # Errors
    /// As [`Client::connect_lazy`]; and [`ConnectError::InvalidOptions`].
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn connect_lazy(self, url: &str) -> Result<Client, ConnectError> {
        let store = self.store_at(url)?;
        self.start(store).map(|(client, _)| client)
    }

    /// Connects to a store of your own; `namespace` and the settings of connections are the store's own affair.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`], [`ConnectError::Refused`] and [`ConnectError::InvalidOptions`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::{Client, store::MemoryStore};
    ///
    /// let client = Client::builder().connect_store(MemoryStore::new()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect_store(self, store: impl Store) -> Result<Client, ConnectError> {
        self.connected(Arc::new(store)).await
    }

    async fn connected(self, store: Arc<dyn Store>) -> Result<Client, ConnectError> {
        let address = store.identity().to_owned();
        let (client, first_try) = self.start(store)?;
        match first_try.await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(source)) if source.kind() == StoreErrorKind::Refused => {
                Err(ConnectError::Refused { address, source })
            }
            Ok(Err(source)) => Err(ConnectError::Unreachable { address, source }),
            // The keeper answers before it ends.
            Err(_) => Err(ConnectError::Unreachable { address, source: crate::core::no_answer() }),
        }
    }

    fn start(&self, store: Arc<dyn Store>) -> Result<(Client, FirstTry), ConnectError> {
        self.check().map_err(ConnectError::InvalidOptions)?;
        let shared = Shared::new(store, self.ttl, self.operation_timeout);
        let first_try = keeper::start(&shared).map_err(ConnectError::NoThread)?;
        exit::watch(&shared);
        Ok((Client { handle: Arc::new(Handle { shared }) }, first_try))
    }

    fn check(&self) -> Result<(), String> {
        duration::check_ttl(self.ttl).map_err(|fault| fault.to_string())?;
        if !(SHORTEST_OPERATION..=LONGEST_OPERATION).contains(&self.operation_timeout) {
            let given = self.operation_timeout;
            return Err(format!("operation_timeout {given:?} is out of bounds; give it 50ms to 5s"));
        }
        Ok(())
    }

    fn store_at(&self, url: &str) -> Result<Arc<dyn Store>, ConnectError> {
        match url.split_once("://").map(|(scheme, rest)| (Cow::from(scheme.to_ascii_lowercase()), rest)) {
            Some((scheme, "")) if scheme == "memory" => Ok(self.in_memory(MemoryStore::new())),
            Some((scheme, name)) if scheme == "memory" => Ok(self.in_memory(MemoryStore::named(name))),
            _ => self.redis_at(url),
        }
    }

    fn in_memory(&self, store: MemoryStore) -> Arc<dyn Store> {
        Arc::new(store.with_namespace(&self.namespace))
    }

    #[cfg(feature = "redis")]
    fn redis_at(&self, url: &str) -> Result<Arc<dyn Store>, ConnectError> {
        use crate::store::redis::{RedisSettings, RedisStore};
        let mut settings = RedisSettings::default();
        settings.namespace.clone_from(&self.namespace);
        settings.name_format.clone_from(&self.name_format);
        settings.operation_timeout = self.operation_timeout;
        settings.nodelay = self.nodelay;
        settings.root_certificates = self.root_certificates.as_ref().map(|pem| pem.0.clone());
        Ok(Arc::new(RedisStore::from_url(url, settings)?))
    }

    #[cfg(not(feature = "redis"))]
    fn redis_at(&self, url: &str) -> Result<Arc<dyn Store>, ConnectError> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = "this build knows memory:// alone; redis://, rediss:// and redis+unix:// need the feature `redis`";
        Err(ConnectError::InvalidUrl(format!("its scheme `{scheme}` is unknown; {known}")))
    }
}
