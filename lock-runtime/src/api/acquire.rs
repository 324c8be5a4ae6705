//! [`Acquire`]: a request that is being carried out, up to the grant.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::api::guard::LockGuard;
use crate::engine::acquiring::Acquiring;
use crate::engine::holding::Holding;
use lock_core::LockError;

/// A future that takes a lock and answers with a guard. Made by [`LockRequest::acquire`](crate::LockRequest::acquire),
/// and by awaiting a [`LockRequest`](crate::LockRequest).
///
/// It is `Send`, borrows nothing, and may be kept in a field. The time to wait begins with its first poll.
///
/// # Errors
/// Each variant of [`LockError`] but `NotConfigured` and `Lost`.
///
/// # Cancellation
/// It may be dropped at any point, by `select!` or a time-out for instance, and leaves nothing behind: a waiter leaves
/// its queue, and what may have been granted in the meantime is given back. The place in the queue is lost with it; to
/// go on waiting, keep the future and poll it again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::{Acquire, Client};
///
/// let client = Client::connect("memory://").await?;
/// let guard = client.lock("job:42").await?;
/// let mut next: Acquire = client.lock("job:42").wait_forever().acquire();
/// let patience = Duration::from_millis(10);
/// assert!(tokio::time::timeout(patience, &mut next).await.is_err()); // still in its place
/// drop(guard);
/// assert!(next.await?.is_held());
/// # Ok(()) }
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct Acquire {
    /// None once it is over.
    begun: Option<Result<Acquiring, LockError>>,
}

impl Acquire {
    pub(crate) fn new(begun: Result<Acquiring, LockError>) -> Self {
        Self { begun: Some(begun) }
    }
}

impl Future for Acquire {
    type Output = Result<LockGuard, LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(Ok(acquiring)) = &mut self.begun {
            let acquired = ready!(acquiring.poll(cx));
            self.begun = None;
            return Poll::Ready(acquired.map(guard));
        }
        match self.begun.take() {
            Some(Err(refusal)) => Poll::Ready(Err(refusal)),
            _ => panic!("an acquire was polled after it had ended"),
        }
    }
}

fn guard(holding: Holding) -> LockGuard {
    let (state, observed) = (holding.state(), &holding.shared().observed);
    // The guard may go elsewhere, and outlive this task.
    state.unregister();
    observed.acquired(&state.key, state.validity.fence());
    LockGuard::new(holding)
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use futures::executor::block_on;

    use super::*;
    use crate::api::client::Client;

    fn client() -> Client {
        Client::connect_lazy("memory://").expect("memory needs no server")
    }

    #[test]
    fn it_goes_anywhere() {
        fn goes_anywhere<T: Send + Unpin + 'static>(_: &T) {}
        let acquire = client().lock(String::from("job")).acquire();
        goes_anywhere(&acquire);
        assert!(block_on(acquire).expect("free").is_held());
    }

    #[test]
    fn nothing_happens_before_it_is_polled() {
        let client = client();
        let acquire = client.lock("job").acquire();
        assert_eq!(client.stats().waiting, 0);
        drop(acquire);
        let held = block_on(client.lock("job").acquire()).expect("free");
        let waits = client.lock("job").wait(Duration::from_secs(1)).acquire();
        assert_eq!(client.stats().waiting, 0);
        drop((held, waits));
    }

    #[test]
    fn dropped_while_it_waits_it_leaves_the_queue() {
        let client = client();
        let held = block_on(client.lock("job").acquire()).expect("free");
        let mut waits = client.lock("job").wait_forever().acquire();
        let mut next = client.lock("job").wait_forever().acquire();
        assert!((&mut waits).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        assert_eq!(client.stats().waiting, 2);
        drop(waits);
        assert_eq!(client.stats().waiting, 1);
        drop(held);
        assert!(block_on(next).expect("its turn").is_held());
    }

    #[test]
    fn a_refusal_is_told_once_it_is_awaited() {
        let acquire = client().lock("").acquire();
        assert!(matches!(block_on(acquire), Err(LockError::InvalidKey { .. })));
    }

    #[test]
    #[should_panic(expected = "polled after it had ended")]
    fn it_answers_once() {
        let mut acquire = client().lock("job").acquire();
        let _guard = block_on(&mut acquire);
        let _ = acquire.now_or_never();
    }
}
