//! Tasks that begin in the order in which they were spawned.
//!
//! A runtime with several threads begins its tasks in any order. Deliberately absent: when they end.

use std::future::poll_fn;
use std::pin::pin;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Spawns a future and comes back when it was polled once; so of two, the one that was spawned first began first.
pub async fn spawn_polled<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let (polled, was_polled) = oneshot::channel();
    let task = tokio::spawn(async move {
        let (mut future, mut polled) = (pin!(future), Some(polled));
        poll_fn(|cx| {
            let poll = future.as_mut().poll(cx);
            if let Some(polled) = polled.take() {
                // Whoever spawned it may have been dropped meanwhile.
                let _ = polled.send(());
            }
            poll
        })
        .await
    });
    // An error is a panic in its first poll, which the task's handle tells.
    let _ = was_polled.await;
    task
}
