//! [`Election`]: stands for the lead of a fleet, term after term.
//!
//! A term is one grant of an ordinary lock; the server knows nothing of elections. Must stay true: an outage, a loss or
//! a term that fails ends no candidacy; a candidate whose terms end at once does not win every turn.

use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::election::term::Term;
use crate::api::election::watch::{Board, LeaderWatch};
use crate::api::lease::Lease;
use crate::api::request::LockRequest;
use crate::engine::enclosing;
use crate::system::clock;
use lock_core::lease::Candidacy;
use lock_core::{LockError, LockKey};

impl Client {
    /// Prepares to stand for the lead: of all who stand for this key, in the whole fleet, one leads at a time.
    ///
    /// Nothing happens before [`run`](Election::run) is awaited.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::ops::ControlFlow;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let led = client.elect("leader").run(async |term| ControlFlow::Break(term.fence())).await?;
    /// assert!(led > 0);
    /// # Ok(()) }
    /// ```
    pub fn elect(&self, key: impl Into<LockKey>) -> Election {
        let key = key.into();
        Election { client: self.clone(), request: self.lock(key).wait_forever(), standing: Standing(Board::new()) }
    }
}

/// A candidate for the lead. Made by [`Client::elect`]; nothing happens before it is run.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// use lock_runtime::Client;
///
/// let client = Client::connect("memory://").await?;
/// let mut left = 3;
/// let election = client.elect("leader").ttl(Duration::from_secs(15));
/// let done = election.run(async |term| {
///     println!("leads in term {}", term.fence());
///     while left > 0 {
///         left -= 1; // a piece of work; dropped here if the lead is lost, and gone on with in another term
///         tokio::task::yield_now().await;
///     }
///     ControlFlow::Break("done") // or `Continue(())`, to stand again
/// });
/// assert_eq!(done.await?, "done");
/// # Ok(()) }
/// ```
#[must_use = "a candidate does nothing unless it is run"]
pub struct Election {
    client: Client,
    request: LockRequest,
    standing: Standing,
}

impl Election {
    /// How long a leader that has crashed is waited for, as [`LockRequest::ttl`]: the longest time in which nobody
    /// leads. The lead is renewed about every third of it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::{ops::ControlFlow, time::Duration};
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let election = client.elect("leader").ttl(Duration::from_secs(15));
    /// let left = election.run(async |term| ControlFlow::Break(term.remaining())).await?;
    /// assert!(left < Duration::from_secs(15));
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.request = self.request.ttl(ttl);
        self
    }

    /// Somebody who is told whether this candidate leads, and may have it step down. To be made before
    /// [`run`](Self::run), which takes the candidate.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let election = client.elect("leader");
    /// let watch = election.watch();
    /// assert!(!watch.is_leader());
    /// # Ok(()) }
    /// ```
    pub fn watch(&self) -> LeaderWatch {
        self.standing.0.watch()
    }

    /// Stands until it is elected, then has `candidate` lead, and so on: with [`ControlFlow::Continue`] it stands again,
    /// behind all who wait; with [`ControlFlow::Break`] the lock is released and the value is the answer.
    ///
    /// What leads is dropped where it awaits when the lead is lost, or [resigned](LeaderWatch::resign), by the deadline
    /// at the latest; no step of it starts after that. Then it stands again, as after an outage of the store, which is
    /// waited out. After a term of less than a second, or an attempt without one, it stands back for a second before it
    /// stands again; after each further one for twice as long as before, up to 30 seconds.
    ///
    /// `candidate` is an async closure, which may change what it has taken along, or any function whose answer is a
    /// future: `async |term| ..`, `|term: Term| async move { .. }`, `lead`. In a task that is spawned, either spawn what
    /// this returns, or let the closure own what it uses (`async move |term| ..`): that a closure which borrows from the
    /// `async` block around it is `Send`, today's compiler cannot see.
    ///
    /// # Errors
    /// What would come back each time: `ShuttingDown`, also at the end of the grace of a shutdown that came in the
    /// middle of a term; `InvalidKey`, `InvalidOptions`, `AlreadyHeld`, `Forked`.
    ///
    /// # Cancellation
    /// Dropped at any point, it drops what leads first; then the lock is released without anybody waiting for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::ops::ControlFlow;
    /// use lock_runtime::Client;
    ///
    /// let client = Client::connect("memory://").await?;
    /// let (sender, mut terms) = tokio::sync::mpsc::channel(1);
    /// let leader = tokio::spawn(client.elect("leader").run(async move |term| {
    ///     match sender.send(term.fence()).await {
    ///         Ok(()) => ControlFlow::Continue(()),
    ///         Err(_nobody_listens) => ControlFlow::Break(()),
    ///     }
    /// }));
    /// let first = terms.recv().await.unwrap();
    /// assert!(terms.recv().await.unwrap() > first); // a second later, as the first term was that short
    /// drop(terms);
    /// leader.await??;
    /// # Ok(()) }
    /// ```
    pub async fn run<T, F>(self, mut candidate: F) -> Result<T, LockError>
    where
        F: AsyncFnMut(Term) -> ControlFlow<T>,
    {
        let Self { client, request, standing: Standing(board) } = &self;
        let mut candidacy = Candidacy::default();
        loop {
            let mut elected = None;
            let body = async {
                elected = Some(clock::now());
                let lease = enclosing::innermost().map(Lease::new)?;
                let mut leading = board.begin(lease.clone());
                let (mut leads, mut resigned) = (pin!(candidate(Term::new(lease))), pin!(leading.resigned()));
                poll_fn(|cx| {
                    if resigned.as_mut().poll(cx).is_ready() {
                        Poll::Ready(None)
                    } else {
                        leads.as_mut().poll(cx).map(Some)
                    }
                })
                .await
            };
            match request.clone().call(body).await {
                Ok(Some(ControlFlow::Break(value))) => return Ok(value),
                Err(error) if is_final(&error) => return Err(error),
                _ => {}
            }
            let term = elected.map_or(Duration::ZERO, |elected| clock::now().since(elected));
            client.shared().pause(candidacy.pause_after(term)).await;
        }
    }
}

/// Whether each further attempt would end so, too.
fn is_final(error: &LockError) -> bool {
    !matches!(
        error,
        LockError::Busy { .. } | LockError::Done { .. } | LockError::Lost { .. } | LockError::Unavailable { .. }
    )
}

/// Until it is dropped, the candidate stands or may yet do so.
struct Standing(Board);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election").field("request", &self.request).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
