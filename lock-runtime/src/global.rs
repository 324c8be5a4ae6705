//! Which client an annotated function uses when it names none: the task's scope, else the installed one.

use once_cell::sync::OnceCell;

use crate::client::Client;
use crate::enclosing;
use crate::error::{AlreadyInstalled, ConnectError};
use crate::guard::Lease;

static INSTALLED: OnceCell<Client> = OnceCell::new();

tokio::task_local! {
    static SCOPE: Client;
}

/// Connects to a store and installs the client for the whole process. Call it once, at start-up.
///
/// `memory://` needs no server; the other schemes are those of [`Client::connect`].
///
/// # Errors
/// As [`Client::connect`]; and [`ConnectError::AlreadyInstalled`] if a client is installed, which then stays.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// lock_runtime::init("memory://").await?;
/// # Ok(()) }
/// ```
pub async fn init(url: &str) -> Result<Client, ConnectError> {
    if INSTALLED.get().is_some() {
        return Err(AlreadyInstalled.into());
    }
    let client = Client::connect(url).await?;
    install(&client)?;
    Ok(client)
}

pub(crate) fn install(client: &Client) -> Result<(), AlreadyInstalled> {
    INSTALLED.set(client.clone()).map_err(|_| AlreadyInstalled)
}

/// The client of a call that names none.
pub(crate) fn client() -> Option<Client> {
    SCOPE.try_with(Clone::clone).ok().or_else(|| INSTALLED.get().cloned())
}

pub(crate) fn scope<F: Future>(client: Client, future: F) -> impl Future<Output = F::Output> + use<F> {
    SCOPE.scope(client, future)
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
