//! [`AcquireSet`]: a request for several locks that is being carried out, up to the last grant.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::api::several::lock_set::LockSet;
use crate::engine::several::acquiring::AcquiringSet;
use lock_core::LockError;

/// A future that takes several locks and answers with a guard of all. Made by
/// [`LockSetRequest::acquire`](crate::LockSetRequest::acquire), and by awaiting a
/// [`LockSetRequest`](crate::LockSetRequest).
///
/// It is `Send`, borrows nothing, and may be kept in a field. The time to wait begins with its first poll.
///
/// # Errors
/// Each variant of [`LockError`] but `NotConfigured`, with the key that it is about. It is `Lost` if a lock was lost
/// that it held while it waited for a later one.
///
/// # Cancellation
/// It may be dropped at any point, and leaves nothing behind: what it waits for, it does not wait for any more; what it
/// holds, and what may have been granted in the meantime, is given back.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::{AcquireSet, Client};
///
/// let client = Client::connect("memory://").await?;
/// let guard = client.lock("b").await?;
/// let mut both: AcquireSet = client.lock_all(["a", "b"]).wait_forever().acquire();
/// let patience = Duration::from_millis(10);
/// assert!(tokio::time::timeout(patience, &mut both).await.is_err()); // holds `a`, and waits for `b`
/// drop(guard);
/// assert!(both.await?.is_held());
/// # Ok(()) }
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct AcquireSet {
    /// None once it is over.
    begun: Option<Result<AcquiringSet, LockError>>,
}

impl AcquireSet {
    pub(crate) fn new(begun: Result<AcquiringSet, LockError>) -> Self {
        Self { begun: Some(begun) }
    }
}

impl Future for AcquireSet {
    type Output = Result<LockSet, LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(Ok(acquiring)) = &mut self.begun {
            let acquired = ready!(acquiring.poll(cx));
            self.begun = None;
            return Poll::Ready(acquired.map(|held| {
                // The guard may go elsewhere, and outlive this task.
                held.all().iter().for_each(|held| held.state().unregister());
                LockSet::new(held)
            }));
        }
        match self.begun.take() {
            Some(Err(refusal)) => Poll::Ready(Err(refusal)),
            _ => panic!("an acquire was polled after it had ended"),
        }
    }
}

impl fmt::Debug for AcquireSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireSet").finish_non_exhaustive()
    }
}
