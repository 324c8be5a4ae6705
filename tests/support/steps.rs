//! A body that takes a step every two milliseconds, and when it took the last one.
//!
//! Deliberately absent: whether it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a step is taken.
const STEP: Duration = Duration::from_millis(2);
/// What is written down before the first step.
const NONE: u64 = u64::MAX;

/// The steps of one body. Copies of it know the same steps.
#[derive(Clone, Debug)]
pub struct Steps {
    begun: Instant,
    /// In milliseconds since the begin.
    last: Arc<AtomicU64>,
}

impl Steps {
    /// None yet; times are counted from this call on.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), last: Arc::new(AtomicU64::new(NONE)) }
    }

    /// Takes steps until it is dropped.
    pub async fn take(self) {
        loop {
            let at = u64::try_from(self.begun.elapsed().as_millis()).expect("not that long");
            self.last.store(at, Ordering::SeqCst);
            // A step every few milliseconds is what this body is for.
            tokio::time::sleep(STEP).await;
        }
    }

    /// How long ago the begin is.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// How long after the begin the last step was taken; panics if there was none.
    pub fn last(&self) -> Duration {
        let last = self.last.load(Ordering::SeqCst);
        assert_ne!(last, NONE, "it took no step");
        Duration::from_millis(last)
    }
}
