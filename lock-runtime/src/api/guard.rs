//! [`LockGuard`]: a lock in the hand.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::api::lease::Lease;
use crate::api::options;
use crate::engine::holding::Holding;
use crate::engine::shared::Shared;
use crate::store::Released;
use crate::system::paused::{self, HeldOff};
use lock_core::key::{CallId, Completion, ManualStep, Number};
use lock_core::store::Operation;
use lock_core::{LockError, LossReason, OptionFault};

/// Holds a lock. Dropped, it leaves the release to the client, without blocking and without a runtime.
///
/// It is renewed while it lives, unless the request said otherwise, whatever its task does. A lock that is lost is not
/// taken away from its guard: ask [`is_held`](Lease::is_held), or await [`lost`](Lease::lost) beside the work. What can
/// be asked of a [`Lease`] can be asked of its guard.
///
/// Give it a name: `let _guard = ..` holds the lock to the end of the block, `let _ = ..` releases it at once.
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
    lease: Lease,
}

impl LockGuard {
    pub(crate) fn new(holding: Holding) -> Self {
        let lease = Lease::new(Arc::clone(holding.state()));
        Self { holding, lease }
    }

    /// A handle that can be asked the same and may go elsewhere.
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
        self.lease.clone()
    }

    /// Renews now, for this ttl from now on; automatic renewals go on with it. A shorter ttl changes how often the
    /// lease is renewed, and never shortens what is granted.
    ///
    /// # Errors
    /// `Lost` if the lock is lost, `Forked` in a process that was forked from the one that holds it, `Unavailable` if
    /// the store did not confirm within the operation time-out (the lock may still be held), `InvalidOptions` if the
    /// ttl is under 50 ms or over 30 days.
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
        let ttl = options::check_ttl(ttl, &self.holding.shared().capabilities)
            .map_err(|fault| options::invalid(self.key(), fault))?;
        if self.holding.is_forked() {
            return Err(LockError::forked(self.key().clone()));
        }
        let Some(id) = self.holding.id() else { return Err(self.lost_error(LossReason::Expired)) };
        let _held_off = HeldOff::at_most(paused::FOR_AN_ANSWER);
        let shared = self.holding.shared();
        let renewal = shared.with(|client, now| client.renew_manually(now, id, ttl));
        let _asked = Asked { shared, id, renewal };
        let step = || {
            if shared.is_forked() {
                return Some(ManualStep::Lost(LossReason::Forked));
            }
            match shared.with(|client, now| client.manual_next(now, id, renewal)) {
                ManualStep::Pending => None,
                step => Some(step),
            }
        };
        match self.holding.state().until_some(step).await {
            ManualStep::Lost(LossReason::Forked) => Err(LockError::forked(self.key().clone())),
            ManualStep::Lost(reason) => Err(self.lost_error(reason)),
            ManualStep::Failed(error) => Err(LockError::unanswered(Operation::Renew, self.key().clone(), error)),
            ManualStep::Renewed | ManualStep::Pending => Ok(()),
        }
    }

    /// Makes an exclusive lock a shared one, in one step; see [`Lease::downgrade`]. An answer that is lost is no failure:
    /// the lock counts as shared, and the client goes on asking.
    ///
    /// # Errors
    /// As [`Lease::downgrade`]; then the lock is released.
    ///
    /// # Cancellation
    /// Dropped half-way, it releases the lock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let writer = client.lock("config").acquire().await?;
    /// assert!(client.lock("config").shared().await.is_err());
    /// let _reader = writer.downgrade().await?;
    /// assert!(client.lock("config").shared().await.is_ok());
    /// # Ok(()) }
    /// ```
    pub async fn downgrade(self) -> Result<Self, LockError> {
        self.lease.downgrade().await.map(|()| self)
    }

    /// Gives the lock back and says what the store found. [`Released::NotOurs`] means that it had been lost before.
    ///
    /// # Errors
    /// `Unavailable` if the store did not answer within the operation time-out; the client goes on trying until the ttl
    /// makes it pointless. `Forked` in a process that was forked from the one that holds the lock, which keeps it.
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
        if self.holding.is_forked() {
            return Err(LockError::forked(key));
        }
        let patience = self.holding.shared().operation_timeout;
        self.register().await;
        let mut releasing = self.holding.release(patience);
        let outcome = std::future::poll_fn(|cx| releasing.poll(cx)).await;
        outcome.map_err(|error| LockError::unanswered(Operation::Release, key, error))
    }

    /// Gives the lock back after a success, for a request with [`once`](crate::LockRequest::once): for what is left of its
    /// period, whoever asks is told [`Done`](LockError::Done). [`release`](Self::release) and a drop are no success.
    ///
    /// # Errors
    /// `InvalidOptions` if the request had no `once`, and `Lost` if the lock was lost before, so that nothing is kept;
    /// else as [`release`](Self::release). The lock is given back in any case.
    ///
    /// # Cancellation
    /// Dropped half-way, it goes on without the caller.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("report").once(Duration::from_secs(24 * 3600)).acquire().await?;
    /// assert_eq!(guard.complete().await?, lock_runtime::Released::Freed);
    /// assert!(client.lock("report").await.is_err_and(|error| error.is_done()));
    /// # Ok(()) }
    /// ```
    pub async fn complete(self) -> Result<Released, LockError> {
        let (key, patience) = (self.key().clone(), self.holding.shared().operation_timeout);
        if self.holding.is_forked() {
            return Err(LockError::forked(key));
        }
        self.register().await;
        let (mut releasing, completion) = self.holding.release_completed(patience);
        match completion {
            Completion::Done => {}
            Completion::NotAsked => return Err(options::invalid(&key, OptionFault::CompleteWithoutOnce)),
            Completion::Lost(reason) => return Err(LockError::lost(key, reason)),
        }
        let outcome = std::future::poll_fn(|cx| releasing.poll(cx)).await;
        outcome.map_err(|error| LockError::unanswered(Operation::Release, key, error))
    }

    /// Nobody is woken who is not registered.
    async fn register(&self) {
        std::future::poll_fn(|cx| {
            self.holding.state().register(cx.waker());
            Poll::Ready(())
        })
        .await;
    }

    #[cfg(test)]
    pub(crate) fn state(&self) -> &Arc<crate::engine::lease_state::LeaseState> {
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

/// What can be asked of a lock in the hand.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::{Client, Lease};
///
/// fn write(lease: &Lease) -> String {
///     format!("UPDATE jobs SET .. WHERE fence <= {}", lease.fence())
/// }
///
/// let client = Client::connect("memory://").await?;
/// let guard = client.lock("job:42").acquire().await?;
/// assert!(guard.is_held() && guard.key().as_str() == "job:42");
/// println!("{}", write(&guard));
/// # Ok(()) }
/// ```
impl Deref for LockGuard {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
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
        if self.shared.is_forked() {
            return;
        }
        self.shared.with(|client, now| client.manual_cancelled(now, self.id, self.renewal));
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("key", self.key()).field("fence", &self.fence()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
