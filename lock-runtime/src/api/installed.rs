//! Which client an annotated function uses when it names none: the task's scope, else the installed one.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::api::client::Client;
use crate::api::error::{AlreadyInstalled, ConnectError};
use crate::api::lease::Lease;
use crate::engine::handle::Handle;
use crate::engine::{enclosing, observe, registry};
use lock_core::{LockError, LockKey};

/// Whether this process has given a client to a scope.
static HAS_SCOPES: AtomicBool = AtomicBool::new(false);

tokio::task_local! {
    static SCOPE: Client;
}

impl Client {
    /// Makes this the client of all annotated functions in this process that name no other.
    ///
    /// It takes the place of one that was shut down or closed, or that was made before the process was forked. What is
    /// under way with that one goes on, and is over as its shutdown says. So a program that reads its configuration
    /// anew shuts the old client down and installs a new one.
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

    /// The client that was installed, if there is one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(lock_runtime::Client::installed().is_none());
    /// lock_runtime::init("memory://").await?;
    /// assert!(lock_runtime::Client::installed().is_some());
    /// # Ok(()) }
    /// ```
    pub fn installed() -> Option<Self> {
        registry::installed().map(Client::new)
    }

    /// The client that an annotated function uses here if it names none: the one of the task's scope, else the
    /// installed one.
    ///
    /// It carries a scope into tasks that are spawned, which do not inherit it:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::{Client, LockError, distributed_lock};
    ///
    /// #[distributed_lock(key = "job:<id>", ttl = "30s")]
    /// async fn run_job(id: u64) -> Result<u64, LockError> {
    ///     Ok(id)
    /// }
    ///
    /// let app = async {
    ///     let client = Client::current().expect("in a scope");
    ///     tokio::spawn(client.scope(run_job(42))).await
    /// };
    /// let client = Client::connect("memory://").await?;
    /// assert_eq!(client.scope(app).await??, 42);
    /// # Ok(()) }
    /// ```
    pub fn current() -> Option<Self> {
        SCOPE.try_with(Clone::clone).ok().or_else(Self::installed)
    }

    /// Runs a future in which annotated functions that name no client use this one: for tests and tenants.
    ///
    /// Tasks that the future spawns do not inherit it, nor do those that a framework spawns for each request, as
    /// `axum::serve` does: give those a scope of their own, by [`Client::current`] or a middleware. A call that falls
    /// back to the installed client, in a process that has used scopes, is told as an event at debug.
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
        HAS_SCOPES.store(true, Ordering::Relaxed);
        SCOPE.scope(self.clone(), future)
    }
}

/// Connects to a store and installs the client for the whole process. Call it once, at start-up; and again after that
/// client was shut down, to start anew.
///
/// `memory://` needs no server; the other schemes are those of [`Client::connect`].
///
/// # Errors
/// As [`Client::connect`]; and [`ConnectError::AlreadyInstalled`] if a client is installed and in use, which then
/// stays.
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

/// The client of a call for this key that names none.
///
/// # Errors
/// There is none.
pub(crate) fn client(key: &LockKey) -> Result<Client, LockError> {
    if let Ok(client) = SCOPE.try_with(Clone::clone) {
        return Ok(client);
    }
    let has_scopes = HAS_SCOPES.load(Ordering::Relaxed);
    let Some(installed) = Client::installed() else {
        return Err(LockError::not_configured(key.clone()).with_scopes_used(has_scopes));
    };
    if has_scopes {
        observe::outside_of_scopes(key);
    }
    Ok(installed)
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

#[cfg(test)]
mod tests;
