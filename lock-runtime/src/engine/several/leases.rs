//! The states of leases that were acquired together: what is shared by those who hold them and those who ask about
//! them.
//!
//! Must stay true: they are sorted by their keys' bytes, each key once, and there is at least one.

use std::pin::Pin;
use std::sync::Arc;

use crate::engine::lease_state::LeaseState;
use lock_core::{LockKey, LossReason, Moment};

/// See the module.
#[derive(Debug)]
pub(crate) struct Leases(Vec<Arc<LeaseState>>);

impl Leases {
    /// With the state of each key, in the order of the keys.
    pub(crate) fn new(states: Vec<Arc<LeaseState>>) -> Arc<Self> {
        Arc::new(Self(states))
    }

    pub(crate) fn states(&self) -> &[Arc<LeaseState>] {
        &self.0
    }

    /// The state of a key, if it is one of them.
    pub(crate) fn find(&self, key: &str) -> Option<&LeaseState> {
        let found = self.0.binary_search_by(|state| state.key.as_str().cmp(key)).ok()?;
        self.0.get(found).map(|state| &**state)
    }

    /// No step may start from then on: the least of all.
    pub(crate) fn until(&self) -> Moment {
        self.0.iter().map(|state| state.until()).min().unwrap_or(Moment::MIN)
    }

    /// The first that was lost, and how.
    pub(crate) fn loss(&self) -> Option<(&LockKey, LossReason)> {
        self.0.iter().find_map(|state| Some((&state.key, state.loss()?)))
    }

    /// Returns as soon as `answer` is some; asks at once, and whenever one of them has changed.
    pub(crate) fn until_some<T: Send + 'static>(
        self: &Arc<Self>,
        answer: fn(&Self) -> Option<T>,
    ) -> impl Future<Output = T> + Send + Sync + use<T> {
        type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;
        let wait = |state: &Arc<LeaseState>| -> Waiting<T> {
            let (leases, state) = (Arc::clone(self), Arc::clone(state));
            Box::pin(async move { state.until_some(|| answer(&leases)).await })
        };
        let mut waits: Vec<Waiting<T>> = self.0.iter().map(wait).collect();
        std::future::poll_fn(move |cx| {
            let ready = waits.iter_mut().map(|wait| wait.as_mut().poll(cx));
            ready.into_iter().find(std::task::Poll::is_ready).unwrap_or(std::task::Poll::Pending)
        })
    }
}
