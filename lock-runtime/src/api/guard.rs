//! A lock in the hand: [`LockGuard`], which holds it, and [`Lease`], which only asks about it.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::api::options;
use crate::engine::holding::Holding;
use crate::engine::lease_state::LeaseState;
use crate::engine::shared::Shared;
use crate::store::Released;
use crate::system::clock;
use lock_core::LockKey;
use lock_core::client::CallId;
use lock_core::key::{ManualStep, Number};
use lock_core::{LockError, LossReason};

/// Holds a lock. Dropped, it leaves the release to the client, without blocking and without a runtime.
///
/// It is renewed while it lives, unless the request said otherwise, whatever its task does. A lock that is lost is not
/// taken away from its guard: ask [`is_held`](Self::is_held), or await [`lost`](Self::lost) beside the work.
///
/// Two guards are ordinary contenders, also within one task: to acquire a key again while its guard lives is to wait
/// for it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::{Client, Released};
///
/// let client = Client::connect("memory://").await?;
/// let guard = client.lock("job:42").acquire().await?;
/// println!("UPDATE jobs SET .. WHERE fence <= {}", guard.fence());
/// assert_eq!(guard.release().await?, Released::Freed);
/// # Ok(()) }
/// ```
#[must_use = "a guard that is dropped at once releases its lock at once"]
pub struct LockGuard {
    holding: Holding,
}

/// Asks about a lock that somebody holds: the body that is running, or a guard. Cheap to clone, and free to go anywhere.
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
        self.state.validity.until().since(clock::now())
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
        clock::now() < self.state.validity.until()
    }

    /// Comes back when the lock is lost, and says how. Pending for ever if it is released instead.
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
        async move { state.until_some(|| state.validity.loss()).await }
    }
}

impl LockGuard {
    pub(crate) fn new(holding: Holding) -> Self {
        Self { holding }
    }

    /// What is locked.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.lock("job:42").acquire().await?.key().as_str(), "job:42");
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> &LockKey {
        &self.holding.state().key
    }

    /// The fencing token; see [`Lease::fence`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert!(client.lock("job:42").acquire().await?.fence() > 0);
    /// # Ok(()) }
    /// ```
    pub fn fence(&self) -> u64 {
        self.holding.state().validity.fence()
    }

    /// How long the lock is ours without another renewal; zero once it is not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert!(client.lock("job:42").acquire().await?.remaining().as_secs() > 20);
    /// # Ok(()) }
    /// ```
    pub fn remaining(&self) -> Duration {
        self.lease().remaining()
    }

    /// Whether the lock is ours just now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert!(client.lock("job:42").acquire().await?.is_held());
    /// # Ok(()) }
    /// ```
    pub fn is_held(&self) -> bool {
        self.lease().is_held()
    }

    /// A handle that asks the same questions and may go elsewhere.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").acquire().await?;
    /// let lease = guard.lease();
    /// drop(guard);
    /// assert!(!lease.is_held());
    /// # Ok(()) }
    /// ```
    pub fn lease(&self) -> Lease {
        Lease::new(Arc::clone(self.holding.state()))
    }

    /// Comes back when the lock is lost, and says how. The future does not borrow the guard.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").ttl(Duration::from_millis(50)).renew(false).acquire().await?;
    /// assert_eq!(guard.lost().await, lock_runtime::LossReason::Expired);
    /// # Ok(()) }
    /// ```
    pub fn lost(&self) -> impl Future<Output = LossReason> + Send + Sync + use<> {
        self.lease().lost()
    }

    /// Renews now, for this ttl from now on; automatic renewals go on with it. A shorter ttl changes how often the lease
    /// is renewed, and never shortens what is granted.
    ///
    /// # Errors
    /// `Lost` if the lock is lost, `Unavailable` if the store did not confirm within the operation time-out (the lock
    /// may still be held), `InvalidOptions` if the ttl is under 50 ms or over 30 days.
    ///
    /// # Cancellation
    /// Dropped half-way, the renewal may or may not take effect; the new ttl stands.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").renew(false).acquire().await?;
    /// guard.renew(Duration::from_secs(120)).await?;
    /// assert!(guard.remaining() > Duration::from_secs(100));
    /// # Ok(()) }
    /// ```
    pub async fn renew(&self, ttl: Duration) -> Result<(), LockError> {
        let ttl = options::check_ttl(ttl).map_err(|fault| options::invalid(self.key(), fault))?;
        let Some(id) = self.holding.id() else { return Err(self.lost_error(LossReason::Expired)) };
        let shared = self.holding.shared();
        let renewal = shared.with(|client, now| client.renew_manually(now, id, ttl));
        let _asked = Asked { shared, id, renewal };
        let step = || match shared.with(|client, now| client.manual_next(now, id, renewal)) {
            ManualStep::Stand => None,
            step => Some(step),
        };
        match self.holding.state().until_some(step).await {
            ManualStep::Lost(reason) => Err(self.lost_error(reason)),
            ManualStep::Failed(error) => Err(LockError::unavailable(self.key().clone(), error)),
            ManualStep::Renewed | ManualStep::Stand => Ok(()),
        }
    }

    /// Gives the lock back and says what the store found. [`Released::NotOurs`] means that it had been lost before.
    ///
    /// # Errors
    /// `Unavailable` if the store did not answer within the operation time-out; the client goes on trying until the ttl
    /// makes it pointless.
    ///
    /// # Cancellation
    /// Dropped half-way, the release goes on without the caller.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").acquire().await?;
    /// assert_eq!(guard.release().await?, lock_runtime::Released::Freed);
    /// # Ok(()) }
    /// ```
    pub async fn release(self) -> Result<Released, LockError> {
        let key = self.key().clone();
        let patience = self.holding.shared().operation_timeout;
        // Nobody is woken who is not registered.
        let state = Arc::clone(self.holding.state());
        std::future::poll_fn(|cx| {
            state.register(cx.waker());
            Poll::Ready(())
        })
        .await;
        let mut releasing = self.holding.release(patience);
        let outcome = std::future::poll_fn(|cx| releasing.poll(cx)).await;
        outcome.map_err(|error| LockError::unavailable(key, error))
    }

    #[cfg(test)]
    pub(crate) fn state(&self) -> &Arc<LeaseState> {
        self.holding.state()
    }

    #[cfg(test)]
    pub(crate) fn into_holding(self) -> Holding {
        self.holding
    }

    fn lost_error(&self, reason: LossReason) -> LockError {
        LockError::lost(self.key().clone(), reason)
    }
}

/// A renewal by hand that is awaited; dropped half-way, nobody waits for it any more.
struct Asked<'a> {
    shared: &'a Shared,
    id: CallId,
    renewal: Number,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.shared.with(|client, now| client.manual_left(now, self.id, self.renewal));
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("key", self.key()).field("fence", &self.fence()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", self.key()).field("fence", &self.fence()).finish_non_exhaustive()
    }
}
