//! How slow a store and the machine are beside a trial: the longest that was taken for what should take no time.
//!
//! Ttls in a trial are real. Where a machine does something else for as long as the shortest, a store that keeps its
//! promises seems to break them; nothing else is a reason to try one again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::store::Session;

/// The pause between two samples.
const PAUSE: Duration = Duration::from_millis(20);

/// Does this work, and says by how much the slowest of the pauses and round trips beside it was late.
pub(super) async fn beside<T>(session: Arc<dyn Session>, work: impl Future<Output = T>) -> (T, Duration) {
    let longest = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&longest);
    let sampler = tokio::spawn(async move {
        loop {
            let began = Instant::now();
            tokio::time::sleep(PAUSE).await;
            // How long it takes is the question; one that fails is an answer, too.
            let _ = session.probe().await;
            let late = began.elapsed().saturating_sub(PAUSE);
            seen.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    });
    let done = work.await;
    sampler.abort();
    (done, Duration::from_micros(longest.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, Store as _};

    #[tokio::test]
    async fn a_thread_that_was_busy_is_told_of() {
        let session = MemoryStore::new().open().await.expect("memory is always there");
        let (done, late) = beside(session, async {
            tokio::time::sleep(PAUSE / 2).await;
            // The one thread that there is; this is what a busy machine does.
            std::thread::sleep(5 * PAUSE);
            tokio::time::sleep(PAUSE).await;
            7
        })
        .await;
        assert_eq!(done, 7);
        assert!(late >= 3 * PAUSE, "{late:?}");
    }
}
