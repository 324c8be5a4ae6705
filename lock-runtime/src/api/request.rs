//! [`LockRequest`]: what a caller asks for, filled in by people and by the attribute.

use std::time::Duration;

use crate::api::acquire::Acquire;
use crate::api::client::Client;
use crate::api::installed;
use crate::api::options;
use crate::engine::acquiring::Acquiring;
use crate::engine::guarded::{Call, Guarded, Manner};
use crate::engine::judged::{Judge, Judged};
use crate::engine::lease_state::LeaseState;
use crate::engine::observe;
use crate::store::Kind;
use lock_core::lease::{Terms, Wait};
use lock_core::{KeyFault, LockKey};
use lock_core::{LockError, OptionFault};
use tracing::{Id, Span};

impl Client {
    /// Prepares to take a lock; nothing happens before the request is awaited.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock(format!("job:{}", 42)).acquire().await?;
    /// # Ok(()) }
    /// ```
    pub fn lock(&self, key: impl Into<LockKey>) -> LockRequest {
        // The template of a key that is made at run time is not known; a constant keeps the label's cardinality low.
        LockRequest::new("").of(self.clone()).keyed(key.into(), None)
    }
}

/// A lock that is about to be asked for. Made by [`Client::lock`]; nothing happens before it is awaited.
///
/// Awaited as it is, it answers with a guard, as [`acquire`](Self::acquire) does. Clones are requests of their own. `S`
/// says what is a success, once that is asked for by [`once`](Self::once).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::Client;
///
/// let client = Client::connect("memory://").await?;
/// let request = client.lock("report:2026-11").ttl(Duration::from_secs(10)).wait(Duration::from_secs(5));
///
/// let report = request.clone().run(async { "written" }).await?;
/// assert_eq!(report, "written");
///
/// let guard = request.await?;
/// assert!(guard.is_held());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a request does nothing unless it is awaited or run"]
pub struct LockRequest<S = ()> {
    asked: Asked,
    /// What counts as a success, if that is asked for.
    success: S,
}

/// What a request says, whatever counts as a success.
#[derive(Debug, Clone)]
struct Asked {
    /// The key as it was written, for labels; empty if it is not known.
    template: &'static str,
    /// None before it is told; an empty one would cost an allocation.
    key: Option<LockKey>,
    key_fault: Option<KeyFault>,
    /// None for the one of the task's scope, else the installed one.
    client: Option<Client>,
    ttl: Option<Duration>,
    wait: Wait,
    shared: bool,
    permits: Option<u32>,
    weight: Option<u32>,
    renew: bool,
    max_hold: Option<Duration>,
    min_hold: Option<Duration>,
    /// What becomes of a body whose lock is lost, and inside of one that holds the key.
    manner: Manner,
    once: Option<Duration>,
}

impl<S> LockRequest<S> {
    /// How long the lease lasts unless renewed: 50 ms to 30 days. The client's default is 30 s, or
    /// [`min_hold`](Self::min_hold) if that is longer.
    ///
    /// It bounds how long the lock stays after a crash, not how long the body may run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").ttl(Duration::from_secs(10)).acquire().await?;
    /// assert!(guard.remaining() < Duration::from_secs(10));
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.asked.ttl = Some(ttl);
        self
    }

    /// How long to wait for a lock that is busy: up to 30 days. By default not at all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").wait(Duration::from_secs(5)).acquire().await?;
    /// # Ok(()) }
    /// ```
    pub fn wait(mut self, wait: Duration) -> Self {
        self.asked.wait = Wait::AtMost(wait);
        self
    }

    /// Waits for as long as it takes. An outage of the store is waited out too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").wait_forever().acquire().await?;
    /// # Ok(()) }
    /// ```
    pub fn wait_forever(mut self) -> Self {
        self.asked.wait = Wait::Forever;
        self
    }

    /// Whether the lease is renewed while it is held, about every third of its ttl. By default it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").renew(false).acquire().await?; // over after its ttl
    /// # Ok(()) }
    /// ```
    pub fn renew(mut self, renew: bool) -> Self {
        self.asked.renew = renew;
        self
    }

    /// The longest that the lock is held, however often it is renewed; then it is lost, with
    /// [`LossReason::MaxHold`](crate::LossReason::MaxHold). At least the ttl.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").max_hold(Duration::from_secs(3600)).acquire().await?;
    /// # Ok(()) }
    /// ```
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.asked.max_hold = Some(max_hold);
        self
    }

    /// Keeps the key at least this long after the grant, even if the lock is released sooner. At most the ttl; without
    /// a [`ttl`](Self::ttl) of its own, the request has one that is long enough.
    ///
    /// For jobs that many nodes start at about the same time: the second finds the key held although the first was
    /// quick.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// client.lock("tick").min_hold(Duration::from_secs(5)).run(async {}).await?;
    /// assert!(client.lock("tick").acquire().await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn min_hold(mut self, min_hold: Duration) -> Self {
        self.asked.min_hold = Some(min_hold);
        self
    }

    /// A shared lock: any number hold it beside each other, nobody beside an exclusive one. By default a lock is
    /// exclusive.
    ///
    /// All who wait stand in one queue, and nobody passes it: who comes behind one that waits for an exclusive lock waits
    /// for that one. Those at its head who fit beside each other are let in together.
    ///
    /// Each holder has a [`fence`](crate::Lease::fence) of its own. What it reads it may compare with it; only who holds
    /// exclusively stores it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let (one, other) = (client.lock("config").shared().await?, client.lock("config").shared().await?);
    /// assert!(one.is_held() && other.is_held());
    /// assert!(client.lock("config").await.is_err(), "nobody writes while they read");
    /// # Ok(()) }
    /// ```
    pub fn shared(mut self) -> Self {
        self.asked.shared = true;
        self
    }

    /// One of so many permits: at most so many hold it beside each other, in the whole fleet.
    ///
    /// The number is that of the one who asks, who comes in if with it no more are inside. So it may differ for a while,
    /// as in a deploy that changes it. `permits(1)` is not an exclusive lock: on one key, kinds exclude each other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let call = || client.lock("api").permits(2);
    /// let (_one, _two) = (call().await?, call().await?);
    /// assert!(call().await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn permits(mut self, permits: u32) -> Self {
        self.asked.permits = Some(permits);
        self
    }

    /// How many of the [`permits`](Self::permits) this call takes; one by default. Who waits for many holds up those
    /// behind it who wait for few, or it would wait for ever.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let _large = client.lock("api").permits(5).weight(4).await?;
    /// assert!(client.lock("api").permits(5).weight(2).await.is_err());
    /// assert!(client.lock("api").permits(5).await.is_ok());
    /// # Ok(()) }
    /// ```
    pub fn weight(mut self, weight: u32) -> Self {
        self.asked.weight = Some(weight);
        self
    }

    /// Lets the future given to [`run`](Self::run) run on when the lock is lost; it can ask
    /// [`current`](crate::current). By default it is dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let job = async { lock_runtime::current().is_some_and(|lease| lease.is_held()) };
    /// assert!(client.lock("job:42").continue_when_lost().run(job).await?);
    /// # Ok(()) }
    /// ```
    pub fn continue_when_lost(mut self) -> Self {
        self.asked.manner.continues = true;
        self
    }

    /// Lets the future given to [`run`](Self::run) be part of an enclosing body that holds the key already, where the
    /// call would be refused as `AlreadyHeld`: for functions that lock what their caller may have locked.
    ///
    /// Nothing is sent then, and nothing released when the future ends: it is polled under the lease of the enclosing
    /// body, which is what [`current`](crate::current) answers, and every loss of that ends it. The other options of
    /// this request are without effect. A future that is polled outside of that body, because it was returned from it
    /// or sent elsewhere after its first poll, is `Lost`. A spawned task is not inside of a body, and asks for the lock
    /// as anybody does.
    ///
    /// The enclosing body has to hold at least as much: an exclusive lock covers every kind, a shared one shared ones,
    /// and so many permits a call that takes no more of them and knows of no fewer. Everything else is `AlreadyHeld`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let add = async |amount: i32| client.lock("account:7").join_held().run(async move { amount }).await;
    /// let both = client.lock("account:7").run(async { Ok::<_, lock_runtime::LockError>(add(1).await? + add(2).await?) });
    /// assert_eq!(both.await??, 3);
    /// assert_eq!(add(3).await?, 3); // on its own it takes the lock itself
    /// # Ok(()) }
    /// ```
    pub fn join_held(mut self) -> Self {
        self.asked.manner.joins = true;
        self
    }

    /// Takes the lock and answers with a guard that holds it. Awaiting the request does the same.
    ///
    /// # Errors
    /// Each variant of [`LockError`] but `NotConfigured` and `Lost`. With [`join_held`](Self::join_held) it is
    /// `InvalidOptions`: a guard can leave the body that it would be part of.
    ///
    /// # Cancellation
    /// Dropped half-way, it leaves nothing behind: what may have been granted is given back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let guard = client.lock("job:42").acquire().await?;
    /// assert!(guard.is_held());
    /// # Ok(()) }
    /// ```
    pub fn acquire(self) -> Acquire {
        if let (true, Some(key)) = (self.asked.manner.joins, &self.asked.key) {
            return Acquire::new(Err(options::invalid(key, OptionFault::GuardThatJoins)));
        }
        Acquire::new(self.asked.begin(|_| Span::current().id()))
    }
}

impl LockRequest {
    /// Runs the future under the lock, with the promises of the attribute, which is built on it.
    ///
    /// # Errors
    /// Each variant of [`LockError`] but `NotConfigured`; the future's own value is the `Ok`.
    ///
    /// # Cancellation
    /// Dropped half-way, it drops the future first; then the lock is released without anybody waiting for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.lock("job:42").run(async { 6 * 7 }).await?, 42);
    /// # Ok(()) }
    /// ```
    pub fn run<F: Future>(self, future: F) -> Guarded<F> {
        Guarded::new(self.call(future))
    }

    pub(crate) fn call<F: Future>(self, future: F) -> Call<F> {
        self.asked.call(future)
    }
}

impl Asked {
    fn call<F: Future>(self, future: F) -> Call<F> {
        let (template, manner, mut span) = (self.template, self.manner, Span::none());
        let begun = self.begin(|key| {
            span = observe::span(template, key);
            span.id()
        });
        Call::new(begun, span, manner, future)
    }
}

/// Takes the lock, as [`acquire`](LockRequest::acquire) does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = lock_runtime::Client::connect("memory://").await?;
/// let guard = client.lock("job:42").await?;
/// assert!(guard.is_held());
/// # Ok(()) }
/// ```
impl<S> IntoFuture for LockRequest<S> {
    type Output = <Acquire as Future>::Output;
    type IntoFuture = Acquire;

    fn into_future(self) -> Acquire {
        self.acquire()
    }
}

/// What people do not set by hand.
impl<S> LockRequest<S> {
    /// The same, and that is what says what a success is.
    pub(crate) fn judged_by<T>(self, success: T) -> LockRequest<T> {
        LockRequest { asked: self.asked, success }
    }

    /// Runs the future under the lock, and has what it returns judged.
    pub(crate) fn call_judged<F: Future>(self, future: F) -> Call<Judged<F, S>>
    where
        S: Judge<F::Output>,
    {
        self.asked.call(Judged::new(future, self.success))
    }
}

/// The same of a request for which nothing counts as a success yet.
impl LockRequest {
    /// A request that names neither key nor client yet.
    pub(crate) fn new(template: &'static str) -> Self {
        let asked = Asked {
            template,
            key: None,
            key_fault: None,
            client: None,
            ttl: None,
            wait: Wait::AtMost(Duration::ZERO),
            shared: false,
            permits: None,
            weight: None,
            renew: true,
            max_hold: None,
            min_hold: None,
            manner: Manner::default(),
            once: None,
        };
        Self { asked, success: () }
    }

    /// Names the client.
    pub(crate) fn of(mut self, client: Client) -> Self {
        self.asked.client = Some(client);
        self
    }

    /// Names the key, with what went wrong while it was written.
    pub(crate) fn keyed(mut self, key: LockKey, fault: Option<KeyFault>) -> Self {
        (self.asked.key, self.asked.key_fault) = (Some(key), fault);
        self
    }

    /// Asks for a lock of this kind.
    pub(crate) fn of_kind(self, kind: Kind) -> Self {
        match kind {
            Kind::Shared => self.shared(),
            Kind::Permits { most, weight, .. } => self.permits(most).weight(weight),
            _ => self,
        }
    }

    /// The key as it was written, for labels; empty if it is not known.
    pub(crate) fn template(&self) -> &'static str {
        self.asked.template
    }

    /// Whether the body runs on when its lock is lost.
    pub(crate) fn continues(&self) -> bool {
        self.asked.manner.continues
    }

    /// Says for how long a success counts, which the attribute's call judges.
    pub(crate) fn counting_for(mut self, period: Duration) -> Self {
        self.asked.once = Some(period);
        self
    }

    /// The client, and the terms as it gets them.
    ///
    /// # Errors
    /// There is no client, or an option cannot work; told of this key.
    pub(crate) fn terms(self, key: &LockKey) -> Result<(Client, Terms), LockError> {
        self.asked.terms(key)
    }
}

impl Asked {
    /// Checks everything that can be checked without the store. What the keeper has to tell of the call is told in this
    /// span.
    fn begin(mut self, span: impl FnOnce(&LockKey) -> Option<Id>) -> Result<Acquiring, LockError> {
        let key = self.key.take().unwrap_or_else(|| LockKey::from(""));
        if let Some(fault) = self.key_fault.or(key.check().err()) {
            return Err(LockError::invalid_key(key, fault));
        }
        let (client, terms) = self.terms(&key)?;
        let span = span(&key);
        let state = LeaseState::new(client.shared().place.clone(), key, terms.kind, span);
        if terms.once.is_some() {
            state.await_success();
        }
        Ok(Acquiring::new(client.handle(), state, terms))
    }

    fn terms(self, key: &LockKey) -> Result<(Client, Terms), LockError> {
        if self.once.is_some() && self.manner.joins {
            return Err(options::invalid(key, OptionFault::OnceThatJoins));
        }
        let client = self.client.map_or_else(|| installed::client(key), Ok)?;
        let (store, invalid) = (&client.shared().capabilities, |fault| options::invalid(key, fault));
        let kind = options::kind(self.shared, self.permits, self.weight).map_err(invalid)?;
        let once = self.once.map_or(Ok(None), |period| options::once(period, kind, store));
        let terms = Terms {
            kind,
            ttl: self.ttl.unwrap_or_else(|| client.shared().default_ttl.max(self.min_hold.unwrap_or_default())),
            wait: self.wait,
            renew: self.renew,
            max_hold: self.max_hold,
            min_hold: self.min_hold,
            once: once.map_err(invalid)?,
        };
        let terms = options::check(terms, store).map_err(invalid)?;
        Ok((client, terms))
    }
}

mod once;
#[cfg(test)]
mod tests;
