//! A request that is not granted again once it has succeeded.

use std::time::Duration;

use super::LockRequest;
#[cfg(doc)]
use crate::api::success::Outcome;
use crate::api::success::{ByOutcome, SucceededIf, Success};
use crate::engine::guarded::Guarded;
use crate::engine::judged::{Judge, Judged};
#[cfg(doc)]
use lock_core::LockError;

impl LockRequest {
    /// Once it has succeeded, not again for so long, counted from the grant: up to 366 days. Whoever asks for the lock
    /// meanwhile, with `once` or without, is told [`Done`](LockError::Done), at once and also if it would wait.
    ///
    /// A success is an [`Outcome`] that says so, an `Ok` for instance, or what [`succeeded_if`](Self::succeeded_if) says;
    /// of a guard it is [`complete`](crate::LockGuard::complete). Everything else leaves it open, and the next may try: an
    /// `Err`, a panic, a loss, a future or guard that is dropped. The ttl stays what bounds how long a crash is in the
    /// way.
    ///
    /// It is no more than a mark at the store: a crash behind the effect and before the release repeats it, and so does a
    /// store that forgets or cannot be reached until the ttl is over. Effects in a database want a unique row there.
    /// An exclusive lock alone can have it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// use lock_runtime::{Client, LockError};
    ///
    /// let client = Client::connect("memory://").await?;
    /// let report = || client.lock("report:2026-11-29").once(Duration::from_secs(24 * 3600));
    /// assert_eq!(report().run(async { Err::<(), _>("no paper") }).await?, Err("no paper"));
    /// assert_eq!(report().run(async { Ok::<_, &str>(()) }).await?, Ok(()));
    /// assert!(matches!(report().run(async {}).await, Err(LockError::Done { .. })));
    /// # Ok(()) }
    /// ```
    pub fn once(self, period: Duration) -> LockRequest<ByOutcome> {
        self.counting_for(period).judged_by(ByOutcome)
    }
}

impl LockRequest<ByOutcome> {
    /// Says in the [`Outcome`]'s place what is a success.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let day = Duration::from_secs(24 * 3600);
    /// let import = || client.lock("import").once(day).succeeded_if(|rows: &u32| *rows > 0);
    /// assert_eq!(import().run(async { 0 }).await?, 0); // nothing was there yet
    /// assert_eq!(import().run(async { 7 }).await?, 7);
    /// assert!(import().run(async { 7 }).await.is_err_and(|error| error.is_done()));
    /// # Ok(()) }
    /// ```
    pub fn succeeded_if<T, P: Fn(&T) -> bool>(self, is_success: P) -> LockRequest<SucceededIf<P>> {
        self.judged_by(SucceededIf::new(is_success))
    }
}

impl<S: Success> LockRequest<S> {
    /// Runs the future under the lock, as [`run`](LockRequest::run) does without `once`, and keeps what it has done as
    /// done if it succeeds.
    ///
    /// # Errors
    /// Each variant of [`LockError`] but `NotConfigured`; the future's own value is the `Ok`.
    ///
    /// # Cancellation
    /// Dropped half-way, it drops the future first; then the lock is released without anybody waiting for it, and
    /// nothing is kept.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// assert_eq!(client.lock("job:42").once(Duration::from_secs(60)).run(async { 6 * 7 }).await?, 42);
    /// # Ok(()) }
    /// ```
    pub fn run<F: Future>(self, future: F) -> Guarded<Judged<F, S>>
    where
        S: Judge<F::Output>,
    {
        Guarded::new(self.call_judged(future))
    }
}
