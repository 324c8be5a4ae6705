//! Which client an annotated function uses when it names none: the task's scope, else the installed one.

use crate::api::client::Client;
use crate::api::error::{AlreadyInstalled, ConnectError};
use crate::api::lease::Lease;
use crate::engine::enclosing;
use crate::engine::handle::Handle;
use crate::engine::registry;

tokio::task_local! {
    static SCOPE: Client;
}

impl Client {
    /// Makes this the client of all annotated functions in this process that name no other.
    ///
    /// It takes the place of one that was shut down or closed, or that was made before the process was forked. What is
    /// under way with that one goes on, and is over as its shutdown says. So a program that reads its configuration anew
    /// shuts the old client down and installs a new one.
    ///
    /// # Errors
    /// [`AlreadyInstalled`] if there is one in use, be it this one; it stays.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// lock_runtime::Client::connect("memory://").await?.install()?;
    /// # Ok(()) }
    /// ```
    pub fn install(&self) -> Result<(), AlreadyInstalled> {
        install(self)
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
        SCOPE.scope(self.clone(), future)
    }
}

/// Connects to a store and installs the client for the whole process. Call it once, at start-up; and again after that
/// client was shut down, to start anew.
///
/// `memory://` needs no server; the other schemes are those of [`Client::connect`].
///
/// # Errors
/// As [`Client::connect`]; and [`ConnectError::AlreadyInstalled`] if a client is installed and in use, which then stays.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// lock_runtime::init("memory://").await?;
/// # Ok(()) }
/// ```
pub async fn init(url: &str) -> Result<Client, ConnectError> {
    if registry::installed().is_some_and(|old| is_in_use(&old)) {
        return Err(AlreadyInstalled.into());
    }
    let client = Client::connect(url).await?;
    install(&client)?;
    Ok(client)
}

fn install(client: &Client) -> Result<(), AlreadyInstalled> {
    let old = registry::installed();
    let is_free = !old.as_ref().is_some_and(is_in_use);
    if is_free && registry::install(client.handle(), old.as_ref()) { Ok(()) } else { Err(AlreadyInstalled) }
}

/// Whether calls may use it.
fn is_in_use(client: &Handle) -> bool {
    let shared = client.shared();
    !shared.is_forked() && !shared.with(|client, _| client.is_closing())
}

/// The client of a call that names none.
pub(crate) fn client() -> Option<Client> {
    SCOPE.try_with(Clone::clone).ok().or_else(|| registry::installed().map(Client::new))
}

/// The lock under which this code runs: that of the innermost body that is being polled on this thread.
///
/// `None` outside, and in tasks that the body spawned; clone the lease into those.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// assert!(lock_runtime::current().is_none());
/// let fence = client.lock("job:42").run(async { lock_runtime::current().unwrap().fence() }).await?;
/// # Ok(()) }
/// ```
pub fn current() -> Option<Lease> {
    enclosing::innermost().map(Lease::new)
}
