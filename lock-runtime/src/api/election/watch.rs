//! [`LeaderWatch`]: whether this process leads, for those beside the candidate.
//!
//! Must stay true: nobody is told that a candidate leads before its grant or after its deadline, whether or not its
//! task was polled meanwhile.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;

use crate::api::lease::Lease;
use crate::system::forks::Process;

/// Watches one candidate, and may have it step down. Made by [`Election::watch`](crate::Election::watch).
///
/// Each clone has its own memory of what it was told by [`changed`](Self::changed).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::ops::ControlFlow;
/// use lock_runtime::{Client, LeaderWatch};
///
/// let client = Client::connect("memory://").await?;
/// let election = client.elect("leader");
/// let mut watch: LeaderWatch = election.watch();
/// assert!(!watch.is_leader());
///
/// tokio::spawn(election.run(async |_term| {
///     std::future::pending::<()>().await; // leads for as long as it can
///     ControlFlow::<()>::Continue(())
/// }));
/// assert_eq!(watch.changed().await, Some(true));
/// watch.resign();
/// assert_eq!(watch.changed().await, Some(false));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LeaderWatch {
    board: Board,
    news: watch::Receiver<News>,
    /// The fence of the term that it was told of last; none if that it does not lead.
    told: Option<u64>,
}

/// Where a candidate says what it is. Clones are one board.
#[derive(Clone)]
pub(super) struct Board {
    says: Arc<watch::Sender<News>>,
    made_in: Process,
}

#[derive(Default)]
struct News {
    term: Option<Lease>,
    /// The term is to end.
    resigned: bool,
    /// The candidate stands no more.
    is_over: bool,
}

impl LeaderWatch {
    /// Whether the candidate leads just now: its term is not over, and its deadline has not passed.
    ///
    /// By the time that somebody acts on it, it may be otherwise; what must not happen twice compares the fence.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::ops::ControlFlow;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let election = client.elect("leader");
    /// let watch = election.watch();
    /// let inside = watch.clone();
    /// assert!(election.run(async move |_term| ControlFlow::Break(inside.is_leader())).await?);
    /// assert!(!watch.is_leader());
    /// # Ok(()) }
    /// ```
    pub fn is_leader(&self) -> bool {
        self.leads().is_some()
    }

    /// Comes back when the candidate has begun to lead or ceased to, and says whether it leads; at once if that is so
    /// already since the last time, or since this was made. A term that follows upon another is a change too. `None`
    /// once it stands no more.
    ///
    /// # Cancellation
    /// It may be dropped at any point, and misses nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::ops::ControlFlow;
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let election = client.elect("leader");
    /// let mut watch = election.watch();
    /// let told = tokio::spawn(async move {
    ///     while let Some(leads) = watch.changed().await {
    ///         println!("{}", if leads { "leads" } else { "follows" });
    ///     }
    /// });
    /// election.run(async |_term| ControlFlow::Break(())).await?;
    /// told.await?; // the candidate stands no more
    /// # Ok(()) }
    /// ```
    pub async fn changed(&mut self) -> Option<bool> {
        if self.board.made_in.is_parent() {
            return None;
        }
        loop {
            self.news.mark_unchanged();
            let leads = self.leads();
            if leads != self.told {
                self.told = leads;
                return Some(leads.is_some());
            }
            let (ended, is_over) = {
                let news = self.news.borrow();
                // Its end is told by the lease, also where its task is not polled.
                (news.term.as_ref().filter(|lease| lease.is_held()).map(Lease::ended), news.is_over)
            };
            if is_over {
                return None;
            }
            let (mut changed, mut ended) = (pin!(self.news.changed()), pin!(ended));
            poll_fn(|cx| {
                let ended = ended.as_mut().as_pin_mut().is_some_and(|ended| ended.poll(cx).is_ready());
                if ended || changed.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// Ends the candidate's present term: what it does is dropped at its next await point, and the lock released at
    /// once. Then it stands again, behind all who wait. Without effect while it does not lead.
    ///
    /// To end its candidacy, drop the future of [`Election::run`](crate::Election::run), or have it return `Break`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = lock_runtime::Client::connect("memory://").await?;
    /// let watch = client.elect("leader").watch();
    /// watch.resign(); // on a signal, for instance
    /// # Ok(()) }
    /// ```
    pub fn resign(&self) {
        if self.board.made_in.is_parent() {
            return;
        }
        self.board.says.send_if_modified(|news| {
            let leads = news.term.is_some();
            news.resigned |= leads;
            leads
        });
    }

    /// The fence of the term in which it leads.
    fn leads(&self) -> Option<u64> {
        if self.board.made_in.is_parent() {
            return None;
        }
        let news = self.news.borrow();
        news.term.as_ref().filter(|lease| !news.resigned && lease.is_held()).map(Lease::fence)
    }
}

impl Board {
    pub(super) fn new() -> Self {
        Self { says: Arc::new(watch::Sender::new(News::default())), made_in: Process::current() }
    }

    pub(super) fn watch(&self) -> LeaderWatch {
        LeaderWatch { board: self.clone(), news: self.says.subscribe(), told: None }
    }

    /// A term has begun, and ends when the answer is dropped.
    pub(super) fn begin(&self, term: Lease) -> Leading {
        self.says.send_modify(|news| *news = News { term: Some(term), ..News::default() });
        Leading { news: self.says.subscribe(), board: self.clone() }
    }

    /// The candidate stands no more.
    pub(super) fn end(&self) {
        if !self.made_in.is_parent() {
            self.says.send_modify(|news| *news = News { is_over: true, ..News::default() });
        }
    }
}

/// A term, as its candidate sees it.
pub(super) struct Leading {
    board: Board,
    news: watch::Receiver<News>,
}

impl Leading {
    /// Comes back when it is to end.
    pub(super) async fn resigned(&mut self) {
        let _ = self.news.wait_for(|news| news.resigned).await;
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        if !self.board.made_in.is_parent() {
            self.board.says.send_modify(|news| *news = News::default());
        }
    }
}

impl fmt::Debug for LeaderWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaderWatch").field("is_leader", &self.is_leader()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}
