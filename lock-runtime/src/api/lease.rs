//! [`Lease`]: what can be asked about a lock that somebody holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::downgrading;
use crate::engine::lease_state::LeaseState;
use crate::system::clock;
use lock_core::{LockError, LockKey, LossReason, Moment};

/// Asks about a lock that somebody holds: the body that is running ([`current`](crate::current)), or a guard
/// ([`LockGuard::lease`](crate::LockGuard::lease)). Cheap to clone, and free to go anywhere.
///
/// It keeps nothing alive. Once the lock is released, [`is_held`](Self::is_held) is false.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// let lease = client.lock("job:42").run(async { lock_runtime::current().unwrap() }).await?;
/// assert!(!lease.is_held());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Lease {
    state: Arc<LeaseState>,
}

impl Lease {
    pub(crate) fn new(state: Arc<LeaseState>) -> Self {
        Self { state }
    }

    /// What is locked.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// # client.lock("job:42").run(async {
    /// let lease = lock_runtime::current().unwrap();
    /// assert_eq!(lease.key().as_str(), "job:42");
    /// # }).await?; Ok(()) }
    /// ```
    pub fn key(&self) -> &LockKey {
        &self.state.key
    }

    /// The fencing token: greater than that of every earlier grant of the key. Have what you write to compare it:
    /// `UPDATE .. SET fence = $n .. WHERE fence <= $n`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let fence = async || lock_runtime::current().unwrap().fence();
    /// let first = client.lock("job:42").run(fence()).await?;
    /// assert!(client.lock("job:42").run(fence()).await? > first);
    /// # Ok(()) }
    /// ```
    pub fn fence(&self) -> u64 {
        self.state.validity.fence()
    }

    /// The same as the signed number that a column of SQL's `BIGINT` takes, which every fence fits.
    ///
    /// A fence counts microseconds since 1970, more or less: an `INT` is too small. A column without a value refuses
    /// every write, as nothing is less than NULL: `fence BIGINT NOT NULL DEFAULT 0`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").await?;
    /// assert_eq!(u64::try_from(guard.fence_i64())?, guard.fence());
    /// # Ok(()) }
    /// ```
    pub fn fence_i64(&self) -> i64 {
        // Fences stay below 2^53.
        i64::try_from(self.fence()).unwrap_or(i64::MAX)
    }

    /// How long the lock is ours without another renewal; zero once it is not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// # client.lock("job:42").run(async {
    /// assert!(lock_runtime::current().unwrap().remaining().as_secs() > 20);
    /// # }).await?; Ok(()) }
    /// ```
    pub fn remaining(&self) -> Duration {
        self.state.until().since(clock::now())
    }

    /// Whether the lock is ours just now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// # client.lock("job:42").run(async {
    /// assert!(lock_runtime::current().unwrap().is_held());
    /// # }).await?; Ok(()) }
    /// ```
    pub fn is_held(&self) -> bool {
        clock::now() < self.state.until()
    }

    /// Comes back when the lock is lost, and says how. Pending for ever if it is released instead;
    /// [`ended`](Self::ended) comes back then too. The future borrows nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::LossReason;
    ///
    /// let client = lock_runtime::Client::connect("memory://").await?;
    /// let job = async { lock_runtime::current().unwrap().lost().await };
    /// let request = client.lock("job:42").ttl(Duration::from_millis(50)).renew(false).continue_when_lost();
    /// assert_eq!(request.run(job).await?, LossReason::Expired);
    /// # Ok(()) }
    /// ```
    pub fn lost(&self) -> impl Future<Output = LossReason> + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        async move { state.until_some(|| state.loss()).await }
    }

    /// Makes an exclusive lock a shared one, in one step: those at the head of the queue who want it shared come in beside
    /// it, and nobody exclusive gets between. There is no way back: two who wanted it would wait for each other. Release
    /// the lock, and acquire it anew.
    ///
    /// From the moment this is first polled the lock counts as shared, also if the answer is lost or nobody awaits it: the
    /// client goes on asking. What is shared already, or a permit, stays what it is. The fence stays the same; what it may
    /// be used for is what a shared lock's may.
    ///
    /// # Errors
    /// `Lost` if the lock is lost or was released, `Forked` in a process that was forked from the one that holds it;
    /// `InvalidOptions`, with nothing sent, if the store keeps no shared locks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::{Client, current};
    ///
    /// let client = Client::connect("memory://").await?;
    /// let load = async {
    ///     // nobody else is in here
    ///     current().expect("a body runs under a lease").downgrade().await?;
    ///     // readers are, too
    ///     client.lock("cache").shared().acquire().await.map(drop)
    /// };
    /// // A call for the key of the body that makes it is refused, whatever its kind.
    /// assert!(client.lock("cache").run(load).await?.is_err());
    /// # Ok(()) }
    /// ```
    pub fn downgrade(&self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        downgrading::downgrade(Arc::clone(&self.state))
    }
}

impl Lease {
    /// Comes back when the lock is not ours any more, whichever way it ended. For a task beside the work that has to
    /// end with it. The future borrows nothing.
    ///
    /// A release counts from its beginning: the lock may be on its way to the store.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::{Client, Ended};
    ///
    /// let client = Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").acquire().await?;
    /// let watcher = tokio::spawn(guard.lease().ended());
    /// drop(guard);
    /// assert_eq!(watcher.await?, Ended::Released);
    /// # Ok(()) }
    /// ```
    pub fn ended(&self) -> impl Future<Output = Ended> + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        async move { state.until_some(|| ended(&state)).await }
    }
}

/// A loss is told before the end that it is, so the end is asked for first.
fn ended(state: &LeaseState) -> Option<Ended> {
    let is_over = state.until() == Moment::MIN;
    let ended = || state.loss().map_or(Ended::Released, Ended::Lost);
    is_over.then(ended)
}

/// How a lock ended; see [`Lease::ended`].
///
/// ```
/// use lock_runtime::{Ended, LossReason};
///
/// let text = match Ended::Lost(LossReason::MaxHold) {
///     Ended::Released => "released".to_owned(),
///     Ended::Lost(reason) => format!("lost: {reason}"),
/// };
/// assert_eq!(text, "lost: `max_hold` was reached");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its body ended or its guard was dropped, and it had not been lost before.
    Released,
    /// It was lost.
    Lost(LossReason),
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", self.key()).field("fence", &self.fence()).finish_non_exhaustive()
    }
}
