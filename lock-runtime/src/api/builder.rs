//! [`ClientBuilder`]: how a client is made, from a URL or over a store of one's own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::error::ConnectError;
use crate::api::options;
use crate::engine::exit;
use crate::engine::keeper::{self, FirstTry};
use crate::engine::shared::Shared;
use crate::store::{ListenerId, MemoryStore, Store, StoreError, StoreErrorKind};
use crate::system::random;
use lock_core::key::Settings;

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
}

/// How long one operation of the store may take at most, whatever is asked for.
const LONGEST_OPERATION: Duration = Duration::from_secs(5);
/// How long it must be allowed to take at least.
const SHORTEST_OPERATION: Duration = Duration::from_millis(50);

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
    nodelay: Option<bool>,
    local_handover: bool,
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
            nodelay: None,
            local_handover: true,
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

    /// Whether a released lock may go to the next waiter of this client without asking the store: at most 32 times in a
    /// row and for 20 ms, then other clients' waiters have their turn. On by default. Without it each grant is the
    /// store's, and clients take turns with every one.
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().local_handover(false).connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn local_handover(mut self, local_handover: bool) -> Self {
        self.local_handover = local_handover;
        self
    }

    /// Whether every command is sent to Redis at once (`TCP_NODELAY`), or small ones wait until the server has
    /// acknowledged what was sent before. By default it is on for a server on another machine, where a round trip is what
    /// counts, and off for one on this machine (`localhost` or a loopback address), where gathering saves work.
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().nodelay(true).connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = Some(nodelay);
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
            Err(_) => Err(ConnectError::Unreachable { address, source: StoreError::no_answer() }),
        }
    }

    fn start(&self, store: Arc<dyn Store>) -> Result<(Client, FirstTry), ConnectError> {
        self.check().map_err(ConnectError::InvalidOptions)?;
        let settings = Settings {
            operation_timeout: self.operation_timeout,
            listener: ListenerId::from_bits(random::bits().map_err(ConnectError::NoThread)?),
            local_handover: self.local_handover,
        };
        let shared = Shared::new(store, self.ttl, settings);
        let first_try = keeper::start(&shared).map_err(ConnectError::NoThread)?;
        exit::watch(&shared);
        Ok((Client::new(shared), first_try))
    }

    fn check(&self) -> Result<(), String> {
        options::check_ttl(self.ttl).map_err(|fault| fault.to_string())?;
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
    #[allow(clippy::unused_self)] // the other build needs it
    fn redis_at(&self, url: &str) -> Result<Arc<dyn Store>, ConnectError> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = "this build knows memory:// alone; redis://, rediss:// and redis+unix:// need the feature `redis`";
        Err(ConnectError::InvalidUrl(format!("its scheme `{scheme}` is unknown; {known}")))
    }
}
