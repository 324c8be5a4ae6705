//! What a [`Store`] promises, as tests that run against any of them: yours too.
//!
//! [`check`] tries every promise; [`promises`] lists them for those who want to see each run by its name. They take
//! about two seconds, as their ttls are short but real, and a tokio runtime with time enabled; one that is broken on
//! a machine that was seen to be slow meanwhile is tried once more with ttls eight times as long. Their keys begin with
//! `conformance:`, end at random, and are released or about to expire at the end. What is promised of queues and of
//! handing a key over is asked only of a store that [`queues`](Capabilities::queues), what is promised of inspections
//! and cards of one that [`inspects`](Capabilities::inspects), what is promised of sets of holders of one that
//! [`keeps`](Capabilities::keeps) them, and what is promised of keys whose work is done of one that
//! [marks](Capabilities::marks_done) them; any other keeps it untried. What a store did not claim, it is not asked for:
//! ttls are within its bounds, and fences come one by one where it reserves none.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use lock_runtime::conformance;
//! use lock_runtime::store::MemoryStore;
//!
//! conformance::check(MemoryStore::new()).await;
//! # }
//! ```
//!
//! Absent on purpose: what only one kind of store can do, such as losing its connection.

mod claims;
mod done;
mod inspection;
mod kept;
mod pace;
mod process;
mod promises;
mod queues;
mod recording;
mod sets;
mod trial;
mod versions;

use std::fmt::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::store::{Capabilities, Kind, Store};
use trial::{Broken, Trial};

/// Tries every promise, all at once.
///
/// # Panics
/// If a promise is broken or the store fails; the message has each such promise's name and what happened instead.
pub async fn check<S: Store>(store: S) {
    let store: Arc<dyn Store> = Arc::new(store);
    let mut trials = JoinSet::new();
    for promise in promises() {
        let store = Arc::clone(&store);
        trials.spawn(promise.tried(store));
    }
    let mut broken = String::new();
    while let Some(tried) = trials.join_next().await {
        if let Err(what) = tried.unwrap_or_else(|panicked| Err(panicked.to_string())) {
            let _ = writeln!(broken, "{what}");
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

/// Every promise, in the order of [`check`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::sync::Arc;
/// use lock_runtime::conformance;
/// use lock_runtime::store::{MemoryStore, Store};
///
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// for promise in conformance::promises().iter().filter(|promise| promise.name().contains("stranger")) {
///     println!("{}", promise.name());
///     promise.check(Arc::clone(&store)).await;
/// }
/// # }
/// ```
pub fn promises() -> &'static [Promise] {
    promises::ALL
}

/// One promise that every store keeps, or every store that claims to queue or to be inspected.
///
/// ```
/// let first = &lock_runtime::conformance::promises()[0];
/// assert_eq!(first.name(), "a_free_key_is_granted");
/// ```
pub struct Promise {
    name: &'static str,
    needs: Needs,
    trial: fn(Trial) -> Tried,
}

/// What a store claims of which something is promised.
enum Needs {
    Nothing,
    Queues,
    Inspection,
    QueuesAndInspection,
    Kind(Kind),
    QueuesOfSets,
    DoneMarks,
    QueuesAndDoneMarks,
}

impl Needs {
    fn are_claimed(&self, by: Capabilities) -> bool {
        match self {
            Self::Nothing => true,
            Self::Queues => by.queues(),
            Self::Inspection => by.inspects(),
            Self::QueuesAndInspection => by.queues() && by.inspects(),
            Self::Kind(kind) => by.keeps(*kind),
            Self::DoneMarks => by.marks_done(),
            Self::QueuesAndDoneMarks => by.queues() && by.marks_done(),
            Self::QueuesOfSets => by.queues() && by.keeps(Kind::Shared) && by.keeps(Kind::permits(2)),
        }
    }
}

/// From when on a machine was too slow for a trial to say that a promise is broken: a tenth of the shortest ttl.
const SLOW: Duration = Duration::from_millis(50);

/// How much longer the ttls are with which it is tried once more then.
const SLOWLY: u32 = 8;

type Tried = Pin<Box<dyn Future<Output = Result<(), Broken>> + Send>>;

impl Promise {
    /// What is promised, as a name: `a_stranger_cannot_release`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tries it, unless it is about what the store does not claim.
    ///
    /// # Panics
    /// If the promise is broken or the store fails; the message has its name and what happened instead.
    pub async fn check(&self, store: Arc<dyn Store>) {
        if let Err(what) = self.tried(store).await {
            panic!("{what}");
        }
    }

    async fn tried(&self, store: Arc<dyn Store>) -> Result<(), String> {
        if !self.needs.are_claimed(store.capabilities()) {
            return Ok(());
        }
        let (mut tried, late) = self.tried_for(Arc::clone(&store), 1).await;
        if tried.is_err() && late >= SLOW {
            (tried, _) = self.tried_for(store, SLOWLY).await;
        }
        tried.map_err(|Broken(what)| format!("the store breaks the promise `{}`: {what}", self.name))
    }
}

impl Promise {
    /// Once, with ttls that are so many times as long; and how slow the machine was meanwhile.
    async fn tried_for(&self, store: Arc<dyn Store>, times: u32) -> (Result<(), Broken>, Duration) {
        match Trial::new(store, self.name, times).await {
            Ok(trial) => pace::beside(Arc::clone(&trial.session), (self.trial)(trial)).await,
            Err(broken) => (Err(broken), Duration::ZERO),
        }
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promise").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests;
