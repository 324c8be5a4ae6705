//! [`LockSetRequest`]: what a caller asks for who wants several keys at once.

use std::sync::Arc;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::options;
use crate::api::request::LockRequest;
use crate::api::several::acquire::AcquireSet;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe;
use crate::engine::several::acquiring::AcquiringSet;
use crate::engine::several::guarded::GuardedSet;
use crate::engine::several::leases::Leases;
use lock_core::{KeyFault, LockError, LockKey, OptionFault};
use tracing::{Id, Span};

impl Client {
    /// Prepares to take several locks, all of them or none; nothing happens before the request is awaited.
    ///
    /// The keys are taken one after the other, sorted by their bytes and each once, whatever the order in which they
    /// are given. So calls that want the same keys in opposite orders never wait for each other in a ring, in whatever
    /// process they are. It is not one step: others can see that a part is taken, and whoever waits for a later key
    /// holds the ones before. Calls *inside* the body for keys that sort before its own can close a ring; take those
    /// along.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["account:1", "account:2"]).acquire().await?;
    /// assert!(client.lock("account:2").await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn lock_all<K: Into<LockKey>>(&self, keys: impl IntoIterator<Item = K>) -> LockSetRequest {
        let keys = keys.into_iter().map(|key| (key.into(), None)).collect();
        LockSetRequest::new(LockRequest::new("").of(self.clone()), keys)
    }
}

/// Several locks that are about to be asked for. Made by [`Client::lock_all`]; nothing happens before it is awaited.
///
/// Its options are those of a [`LockRequest`], and hold for each key from its own grant on; only
/// [`wait`](Self::wait) is one time for all. Awaited as it is, it answers with a guard, as [`acquire`](Self::acquire)
/// does. Clones are requests of their own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::Client;
///
/// let client = Client::connect("memory://").await?;
/// let request = client.lock_all(["a", "b"]).ttl(Duration::from_secs(10)).wait(Duration::from_secs(5));
/// assert_eq!(request.clone().run(async { "moved" }).await?, "moved");
/// assert!(request.await?.is_held());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a request does nothing unless it is awaited or run"]
pub struct LockSetRequest {
    request: LockRequest,
    /// As they were given, with what went wrong while they were written.
    keys: Vec<(LockKey, Option<KeyFault>)>,
}

impl LockSetRequest {
    pub(crate) fn new(request: LockRequest, keys: Vec<(LockKey, Option<KeyFault>)>) -> Self {
        Self { request, keys }
    }

    fn with(self, option: impl FnOnce(LockRequest) -> LockRequest) -> Self {
        Self { request: option(self.request), ..self }
    }

    /// How long each lease lasts unless renewed, as [`LockRequest::ttl`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).ttl(Duration::from_secs(10)).await?;
    /// assert!(set.remaining() < Duration::from_secs(10));
    /// # Ok(()) }
    /// ```
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|request| request.ttl(ttl))
    }

    /// How long to wait for all of them together, as [`LockRequest::wait`]. By default not at all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).wait(Duration::from_secs(5)).await?;
    /// # Ok(()) }
    /// ```
    pub fn wait(self, wait: Duration) -> Self {
        self.with(|request| request.wait(wait))
    }

    /// Takes each beside other shared holders, as [`LockRequest::shared`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let one = client.lock_all(["a", "b"]).shared().await?;
    /// let other = client.lock_all(["b", "c"]).shared().await?;
    /// # Ok(()) }
    /// ```
    pub fn shared(self) -> Self {
        self.with(LockRequest::shared)
    }

    /// Takes one of so many permits of each, as [`LockRequest::permits`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let one = client.lock_all(["a", "b"]).permits(2).await?;
    /// let other = client.lock_all(["a", "b"]).permits(2).await?;
    /// # Ok(()) }
    /// ```
    pub fn permits(self, most: u32) -> Self {
        self.with(|request| request.permits(most))
    }

    /// Takes so many of the permits of each, as [`LockRequest::weight`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let both = client.lock_all(["a", "b"]).permits(2).weight(2).await?;
    /// assert!(client.lock_all(["b"]).permits(2).await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn weight(self, weight: u32) -> Self {
        self.with(|request| request.weight(weight))
    }

    /// Waits for as long as it takes, as [`LockRequest::wait_forever`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).wait_forever().await?;
    /// # Ok(()) }
    /// ```
    pub fn wait_forever(self) -> Self {
        self.with(LockRequest::wait_forever)
    }

    /// Whether the leases are renewed while they are held, as [`LockRequest::renew`]. By default they are, also while
    /// later keys are waited for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).renew(false).await?; // over when the ttl of the first one is
    /// # Ok(()) }
    /// ```
    pub fn renew(self, renew: bool) -> Self {
        self.with(|request| request.renew(renew))
    }

    /// The longest that each lock is held, counted from its own grant, as [`LockRequest::max_hold`]: that of the first
    /// one ends all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).max_hold(Duration::from_secs(3600)).await?;
    /// # Ok(()) }
    /// ```
    pub fn max_hold(self, max_hold: Duration) -> Self {
        self.with(|request| request.max_hold(max_hold))
    }

    /// Keeps each key at least this long after its own grant, as [`LockRequest::min_hold`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// client.lock_all(["a", "b"]).min_hold(Duration::from_secs(5)).run(async {}).await?;
    /// assert!(client.lock("b").await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn min_hold(self, min_hold: Duration) -> Self {
        self.with(|request| request.min_hold(min_hold))
    }

    /// Lets the future given to [`run`](Self::run) run on when a lock is lost; it can ask
    /// [`current_set`](crate::current_set). By default it is dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let job = async { lock_runtime::current_set().is_some_and(|leases| leases.is_held()) };
    /// assert!(client.lock_all(["a", "b"]).continue_when_lost().run(job).await?);
    /// # Ok(()) }
    /// ```
    pub fn continue_when_lost(self) -> Self {
        self.with(LockRequest::continue_when_lost)
    }

    /// Takes all locks and answers with a guard that holds them. Awaiting the request does the same.
    ///
    /// # Errors
    /// Each variant of [`LockError`] but `NotConfigured`, with the key that it is about; what was taken by then is
    /// given back. It is `Lost` if a lock was lost that it held while it waited for a later one, and `InvalidOptions`
    /// if there are no keys.
    ///
    /// # Cancellation
    /// Dropped half-way, it leaves nothing behind: what it holds, and what may have been granted, is given back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let set = client.lock_all(["a", "b"]).acquire().await?;
    /// assert!(set.is_held());
    /// # Ok(()) }
    /// ```
    pub fn acquire(self) -> AcquireSet {
        AcquireSet::new(self.begin(|_| Span::current().id()))
    }

    /// Runs the future under all locks, with the promises of the attribute's `keys`, which is built on it: it is first
    /// polled after the last grant, and ends with the loss of any of them.
    ///
    /// # Errors
    /// Each variant of [`LockError`] but `NotConfigured`, with the key that it is about; the future's own value is the
    /// `Ok`.
    ///
    /// # Cancellation
    /// Dropped half-way, it drops the future first; then the locks are released without anybody waiting for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.lock_all(["a", "b"]).run(async { 6 * 7 }).await?, 42);
    /// # Ok(()) }
    /// ```
    pub fn run<F: Future>(self, future: F) -> GuardedSet<F> {
        let (template, continues, mut span) = (self.request.template(), self.request.continues(), Span::none());
        let begun = self.begin(|keys| {
            span = observe::span_of_several(template, keys);
            span.id()
        });
        GuardedSet::new(begun, span, continues, future)
    }

    /// Checks everything that can be checked without the store. What the keeper has to tell of the call is told in this
    /// span.
    fn begin(self, span: impl FnOnce(&[LockKey]) -> Option<Id>) -> Result<AcquiringSet, LockError> {
        let fault = self.keys.iter().find_map(|(key, fault)| Some((key, (*fault).or(key.check().err())?)));
        if let Some((key, fault)) = fault {
            return Err(LockError::invalid_key(key.clone(), fault));
        }
        let mut keys: Vec<LockKey> = self.keys.into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        let Some(first) = keys.first() else {
            return Err(options::invalid(&LockKey::from(""), OptionFault::NoKeys));
        };
        let (client, terms) = self.request.terms(first)?;
        let (place, span) = (&client.shared().place, span(&keys));
        let states = keys.into_iter().map(|key| LeaseState::new(Arc::clone(place), key, terms.kind, span.clone()));
        let leases = Leases::new(states.collect());
        Ok(AcquiringSet::new(client.handle(), leases, terms))
    }
}

/// Takes all locks, as [`acquire`](LockSetRequest::acquire) does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = lock_runtime::Client::connect("memory://").await?;
/// let set = client.lock_all(["a", "b"]).await?;
/// assert!(set.is_held());
/// # Ok(()) }
/// ```
impl IntoFuture for LockSetRequest {
    type Output = <AcquireSet as Future>::Output;
    type IntoFuture = AcquireSet;

    fn into_future(self) -> AcquireSet {
        self.acquire()
    }
}

#[cfg(test)]
mod tests;
