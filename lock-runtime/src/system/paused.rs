//! Tests that pause tokio's clock: it is kept from running ahead while somebody else works for a call.
//!
//! A paused clock jumps to the next timer as soon as the runtime has nothing to do. It does not know of a server, of
//! the keeper's thread or of other threads, so a call that waits for one of them would be overtaken by every time-out.
//! A blocking task of the runtime keeps the clock where it is. What leases do goes by real time all the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

/// How long the clock stands still, in real time, while an answer is awaited: longer than any operation time-out that
/// is not set to be longer.
pub(crate) const FOR_AN_ANSWER: Duration = Duration::from_secs(10);
/// And while a call waits for a holder. The holder may itself await a timer of this clock, so that is not for long.
pub(crate) const FOR_A_HOLDER: Duration = Duration::from_millis(200);

/// How many calls keep a clock at once, a thread each; others find it kept.
const MOST: usize = 32;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Until it is dropped or its time is over, the clock of this runtime does not run ahead. Boxed, as it is rare.
#[derive(Debug)]
pub(crate) struct HeldOff(Box<(Duration, Sender<()>)>);

impl HeldOff {
    /// Holds the clock of the current runtime for so long at most; none unless that is paused.
    pub(crate) fn at_most(at_most: Duration) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        // No other flavor can pause.
        if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread || !is_paused() {
            return None;
        }
        let kept = Kept::one_more()?;
        let (sender, dropped) = mpsc::channel();
        runtime.spawn_blocking(move || {
            let _ = dropped.recv_timeout(at_most);
            drop(kept);
        });
        Some(Self(Box::new((at_most, sender))))
    }

    /// For how long at most it was asked.
    pub(crate) fn longest(&self) -> Duration {
        self.0.0
    }
}

/// Counted in [`KEPT`].
struct Kept;

impl Kept {
    fn one_more() -> Option<Self> {
        let counted = Self;
        (KEPT.fetch_add(1, Ordering::Relaxed) < MOST).then_some(counted)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether tokio's clock stands still while time passes.
fn is_paused() -> bool {
    let (here, start) = (tokio::time::Instant::now(), Instant::now());
    while start.elapsed().is_zero() {}
    tokio::time::Instant::now() == here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_that_runs_is_left_alone() {
        assert!(!is_paused() && HeldOff::at_most(FOR_AN_ANSWER).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_stands_still_until_it_is_let_go() {
        let held = HeldOff::at_most(FOR_AN_ANSWER).expect("it is paused");
        let (before, real) = (tokio::time::Instant::now(), Instant::now());
        let aside = std::thread::spawn(move || {
            // Real time, in which the clock could have run ahead.
            std::thread::sleep(Duration::from_millis(30));
            drop(held);
        });
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(real.elapsed() >= Duration::from_millis(30) && before.elapsed() >= Duration::from_secs(3600));
        aside.join().expect("it does not panic");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_let_go_in_time() {
        let held = HeldOff::at_most(Duration::from_millis(10)).expect("it is paused");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(held);
    }

    #[test]
    fn without_a_runtime_there_is_nothing_to_hold() {
        assert!(HeldOff::at_most(FOR_AN_ANSWER).is_none());
    }
}
