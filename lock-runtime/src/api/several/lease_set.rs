//! [`LeaseSet`]: what can be asked about several locks that somebody holds together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::lease::Ended;
use crate::engine::enclosing;
use crate::engine::several::leases::Leases;
use crate::system::clock;
use lock_core::{LockError, LockKey, LossReason, Moment};

/// Asks about several locks that somebody holds together: the body that is running
/// ([`current_set`](crate::current_set)), or a [`LockSet`](crate::LockSet). Cheap to clone, and free to go anywhere.
///
/// They are as good as the least of them: the loss of one is the loss of all. It keeps nothing alive; once the locks
/// are released, [`is_held`](Self::is_held) is false.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// let leases = client.lock_all(["a", "b"]).run(async { lock_runtime::current_set().unwrap() }).await?;
/// assert!(!leases.is_held());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LeaseSet {
    leases: Arc<Leases>,
}

impl LeaseSet {
    pub(crate) fn new(leases: Arc<Leases>) -> Self {
        Self { leases }
    }

    /// What is locked: each key once, in the order of their bytes, in which they were acquired.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["b", "a", "b"]).await?;
    /// assert!(set.keys().map(|key| key.as_str()).eq(["a", "b"]));
    /// # Ok(()) }
    /// ```
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &LockKey> {
        self.leases.states().iter().map(|state| &state.key)
    }

    /// The fencing token of this key, as [`Lease::fence`](crate::Lease::fence); none if it is not one of them. There is
    /// no one fence of several keys: what is written under a key compares the fence of that key.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).await?;
    /// assert!(set.fence_of("a").is_some() && set.fence_of("c").is_none());
    /// # Ok(()) }
    /// ```
    pub fn fence_of(&self, key: impl AsRef<str>) -> Option<u64> {
        self.leases.find(key.as_ref()).map(|state| state.validity.fence())
    }

    /// How long all of them are ours without another renewal: the least of all; zero once one is not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert!(client.lock_all(["a", "b"]).await?.remaining().as_secs() > 20);
    /// # Ok(()) }
    /// ```
    pub fn remaining(&self) -> Duration {
        self.leases.until().since(clock::now())
    }

    /// Whether all of them are ours just now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert!(client.lock_all(["a", "b"]).await?.is_held());
    /// # Ok(()) }
    /// ```
    pub fn is_held(&self) -> bool {
        clock::now() < self.leases.until()
    }

    /// The same as an error that says which one is not ours and why, between parts of work that does not await.
    ///
    /// # Errors
    /// `Lost`, with the key; `Forked` in a process that was forked from the one that holds them. Of locks that were
    /// released, `Lost` with [`LossReason::Expired`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).await?;
    /// for part in 0..100 {
    ///     set.check()?;
    ///     println!("write {part}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn check(&self) -> Result<(), LockError> {
        match self.leases.loss() {
            Some((key, LossReason::Forked)) => return Err(LockError::forked(key.clone())),
            Some((key, reason)) => return Err(LockError::lost(key.clone(), reason)),
            None => {}
        }
        let now = clock::now();
        match self.leases.states().iter().find(|state| state.until() <= now) {
            Some(over) => Err(LockError::lost(over.key.clone(), LossReason::Expired)),
            None => Ok(()),
        }
    }

    /// Comes back when one of them is lost, and says how; [`check`](Self::check) says which. Pending for ever if they
    /// are released instead. The future borrows nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::{Client, LossReason};
    ///
    /// let client = Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).ttl(Duration::from_millis(50)).renew(false).await?;
    /// assert_eq!(set.lost().await, LossReason::Expired);
    /// # Ok(()) }
    /// ```
    pub fn lost(&self) -> impl Future<Output = LossReason> + Send + Sync + use<> {
        self.leases.until_some(|leases| leases.loss().map(|(_, reason)| reason))
    }

    /// Comes back when one of them is not ours any more, whichever way it ended. The future borrows nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::{Client, Ended};
    ///
    /// let client = Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).await?;
    /// let watcher = tokio::spawn(set.leases().ended());
    /// drop(set);
    /// assert_eq!(watcher.await?, Ended::Released);
    /// # Ok(()) }
    /// ```
    pub fn ended(&self) -> impl Future<Output = Ended> + Send + Sync + use<> {
        self.leases.until_some(|leases| {
            // A loss is told before the end that it is, so the end is asked for first.
            let is_over = leases.until() == Moment::MIN;
            let ended = || leases.loss().map_or(Ended::Released, |(_, reason)| Ended::Lost(reason));
            is_over.then(ended)
        })
    }
}

/// The locks under which this code runs, where the innermost body that is being polled on this thread has several.
///
/// `None` outside, in tasks that the body spawned, and in a body under one key, where [`current`](crate::current) has
/// the answer.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = lock_runtime::Client::connect("memory://").await?;
/// let body = async {
///     let leases = lock_runtime::current_set().expect("a body of several keys");
///     assert!(lock_runtime::current().is_none());
///     leases.fence_of("a")
/// };
/// assert!(client.lock_all(["a", "b"]).run(body).await?.is_some());
/// # Ok(()) }
/// ```
pub fn current_set() -> Option<LeaseSet> {
    enclosing::innermost_set().map(LeaseSet::new)
}

impl fmt::Debug for LeaseSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fences = self.leases.states().iter().map(|state| (&state.key, state.validity.fence()));
        f.debug_map().entries(fences).finish()
    }
}
