//! [`ClientBuilder`]: how a client is made, from a URL or over a store of one's own.

use std::sync::Arc;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::error::ConnectError;
use crate::api::options;
use crate::api::schemes;
use crate::api::settings::{RootCertificates, Setting, StoreSettings};
use crate::engine::exit;
use crate::engine::handle::Handle;
use crate::engine::keeper::{self, FirstTry};
use crate::engine::shared::{Bounds, Shared};
use crate::store::{Capabilities, ListenerId, Store, StoreError, StoreErrorKind};
use crate::system::paused::{self, HeldOff};
use crate::system::random;
use lock_core::key::Settings;
use lock_core::walk::RELEASE_TIMEOUT;

impl Client {
    /// Connects to the store at a URL, and fails at once if it cannot be reached or refuses the credentials.
    ///
    /// | URL | store |
    /// |---|---|
    /// | `memory://` | one of its own, in this process |
    /// | `memory://name` | one in this process, shared by all clients of that name |
    /// | `redis://user:password@host:port/db` | a Redis or Valkey server, 6.2 or later |
    /// | `rediss://..` | the same over TLS (feature `tls`; or `tls-no-provider`, with the process' default cryptography) |
    /// | `redis+unix:///path?db=1&user=..&pass=..` | the same over a Unix socket |
    ///
    /// The scheme may be written in any case, and white space around a URL is left out. `valkey://`, `valkeys://` and
    /// `valkey+unix://` are other names of the last three.
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
    store: StoreSettings,
    ttl: Duration,
    release_timeout: Duration,
    local_handover: bool,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// A setting that would have no effect on the store is refused when the client connects, with
/// [`ConnectError::InvalidOptions`].
impl ClientBuilder {
    /// The default settings.
    ///
    /// ```
    /// let client = lock_runtime::ClientBuilder::new().connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn new() -> Self {
        let (ttl, release_timeout) = (Duration::from_secs(30), RELEASE_TIMEOUT);
        Self { store: StoreSettings::new(), ttl, release_timeout, local_handover: true }
    }

    /// Stands before every key in the store, so that programs with other namespaces never meet: `dlock` by default, so
    /// that `job:42` is `dlock:{job:42}` in Redis. It may be empty.
    ///
    /// Not for [`connect_store`](Self::connect_store), whose store has a namespace already if it has any.
    ///
    /// ```
    /// let client = lock_runtime::Client::builder().namespace("billing").connect_lazy("memory://")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.store.namespace = Some(namespace.into());
        self
    }

    /// How a lock is named in Redis, with `<key>` in it once: to share locks with programs that use a plain
    /// `SET key token NX PX` under names of their own. By default `<namespace>:{<key>}`.
    ///
    /// For Redis alone. A [`namespace`](Self::namespace) that is set as well has to stand in it, as `<namespace>`.
    ///
    /// ```no_run
    /// let builder = lock_runtime::Client::builder().name_format("myapp/locks/<key>");
    /// let client = builder.connect_lazy("redis://db.internal")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn name_format(mut self, format: impl Into<String>) -> Self {
        self.store.name_format = Some(format.into());
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
        self.store.operation_timeout = operation_timeout;
        self
    }

    /// How long a call whose body has ended may wait until the lock is confirmed to be released: 1 s by default, and
    /// never beyond the lease's deadline. Then the call returns and the client goes on releasing by itself.
    ///
    /// While the store answers, a release takes a round trip, and the key is gone when the call returns. While it does
    /// not, a caller with a time-out of its own (`tokio::time::timeout(600 ms, call)`) may run into it during this
    /// wait, and then the value of a body that had ended is lost. Choose less than what the callers leave; with zero
    /// the call returns in the very step in which its body ends, and the release follows behind it.
    ///
    /// It does not concern [`LockGuard::release`](crate::LockGuard::release), which is bounded by the
    /// [operation time-out](Self::operation_timeout).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// let client = lock_runtime::Client::builder().release_timeout(Duration::ZERO).connect("memory://").await?;
    /// assert_eq!(client.lock("job:42").run(async { "the value first" }).await?, "the value first");
    /// # Ok(()) }
    /// ```
    pub fn release_timeout(mut self, release_timeout: Duration) -> Self {
        self.release_timeout = release_timeout;
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
    /// acknowledged what was sent before. By default it is on for a server on another machine, where a round trip is
    /// what counts, and off for one on this machine (`localhost` or a loopback address), where gathering saves work.
    ///
    /// For `redis://` and `rediss://`, whose connections are TCP's.
    ///
    /// ```no_run
    /// let client = lock_runtime::Client::builder().nodelay(true).connect_lazy("redis://db.internal")?;
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.store.nodelay = Some(nodelay);
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
        self.store.root_certificates = Some(RootCertificates(pem.into()));
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
        let store = schemes::open(url, &self.store)?;
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
        let store = schemes::open(url, &self.store)?;
        self.start(store).map(|(client, _)| client)
    }

    /// Connects to a store of your own. What names its keys and makes its connections (`namespace`, `name_format`,
    /// `nodelay`, `root_certificates`) is set where the store is made, and refused here.
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
        let unused = [Setting::Namespace, Setting::NameFormat, Setting::Nodelay, Setting::RootCertificates];
        self.store.refuse(&unused, "a store of your own", "set it where the store is made")?;
        self.connected(Arc::new(store)).await
    }

    async fn connected(self, store: Arc<dyn Store>) -> Result<Client, ConnectError> {
        let address = store.identity().to_owned();
        let (client, first_try) = self.start(store)?;
        let _held_off = HeldOff::at_most(paused::FOR_AN_ANSWER);
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
        let capabilities = store.capabilities();
        self.check(&capabilities)?;
        let settings = Settings {
            operation_timeout: self.store.operation_timeout,
            listener: ListenerId::from_bits(random::bits().map_err(ConnectError::NoThread)?),
            local_handover: self.local_handover,
            capabilities,
        };
        let bounds = Bounds { default_ttl: self.ttl, release_timeout: self.release_timeout };
        let shared = Shared::new(store, bounds, settings);
        // Before there is a thread that would have to be ended if this failed.
        exit::watch(&shared).map_err(ConnectError::NoThread)?;
        let first_try = keeper::start(&shared).map_err(ConnectError::NoThread)?;
        Ok((Client::new(Handle::new(shared)), first_try))
    }

    fn check(&self, capabilities: &Capabilities) -> Result<(), ConnectError> {
        options::check_ttl(self.ttl, capabilities).map_err(|fault| ConnectError::InvalidOptions(fault.to_string()))?;
        self.store.check()
    }
}
