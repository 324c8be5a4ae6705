//! [`LockSet`]: several locks in the hand.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;

use crate::api::several::lease_set::LeaseSet;
use crate::engine::several::held::HeldSet;
use crate::store::Released;
use lock_core::LockError;
use lock_core::store::Operation;

/// Holds several locks, all of them or none. Dropped, it leaves the releases to the client, without blocking and
/// without a runtime.
///
/// They are renewed while it lives, unless the request said otherwise. Locks that are lost are not taken away from it:
/// ask [`is_held`](LeaseSet::is_held), or await [`lost`](LeaseSet::lost) beside the work. What can be asked of a
/// [`LeaseSet`] can be asked of it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::{Client, Released};
///
/// let client = Client::connect("memory://").await?;
/// let set = client.lock_all(["account:1", "account:2"]).acquire().await?;
/// println!("UPDATE accounts SET .. WHERE id = 1 AND fence <= {}", set.fence_of("account:1").expect("one of them"));
/// assert_eq!(set.release().await?, Released::Freed);
/// # Ok(()) }
/// ```
#[must_use = "a guard that is dropped at once releases its locks at once"]
pub struct LockSet {
    held: HeldSet,
    leases: LeaseSet,
}

impl LockSet {
    pub(crate) fn new(held: HeldSet) -> Self {
        let leases = LeaseSet::new(Arc::clone(held.leases()));
        Self { held, leases }
    }

    /// A handle that can be asked the same and may go elsewhere.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).acquire().await?;
    /// let leases = set.leases();
    /// drop(set);
    /// assert!(!leases.is_held());
    /// # Ok(()) }
    /// ```
    pub fn leases(&self) -> LeaseSet {
        self.leases.clone()
    }

    /// Gives all locks back, the last one first, and says what the store found. [`Released::NotOurs`] means that at
    /// least one of them had been lost before.
    ///
    /// # Errors
    /// `Unavailable`, with the key, if the store did not answer for one of them within the operation time-out; the
    /// client goes on trying until the ttl makes it pointless. `Forked` in a process that was forked from the one that
    /// holds the locks, which keeps them.
    ///
    /// # Cancellation
    /// Dropped half-way, the releases go on without the caller.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).acquire().await?;
    /// assert_eq!(set.release().await?, lock_runtime::Released::Freed);
    /// # Ok(()) }
    /// ```
    pub async fn release(self) -> Result<Released, LockError> {
        if let Some(first) = self.held.all().first().filter(|first| first.is_forked()) {
            return Err(LockError::forked(first.state().key.clone()));
        }
        // Nobody is woken who is not registered.
        std::future::poll_fn(|cx| {
            self.held.all().iter().for_each(|held| held.state().register(cx.waker()));
            Poll::Ready(())
        })
        .await;
        let mut releasing = self.held.release();
        let outcome = std::future::poll_fn(|cx| releasing.poll(cx)).await;
        outcome.map_err(|(key, error)| LockError::unanswered(Operation::Release, key, error))
    }
}

/// What can be asked of locks in the hand.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = lock_runtime::Client::connect("memory://").await?;
/// let set = client.lock_all(["a", "b"]).acquire().await?;
/// assert!(set.is_held() && set.keys().len() == 2);
/// # Ok(()) }
/// ```
impl Deref for LockSet {
    type Target = LeaseSet;

    fn deref(&self) -> &LeaseSet {
        &self.leases
    }
}

impl fmt::Debug for LockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockSet").field(&self.leases).finish()
    }
}
