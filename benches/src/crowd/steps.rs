//! How much is measured, and what the library means to do meanwhile.

use std::ops::Range;
use std::time::Duration;

use crate::extent::Extent;

/// How many looks a second all waiters of a process send at most, as the library has it.
pub(super) const LOOKS_A_SECOND: usize = 500;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) work: &'static str,
    pub(super) waiters: usize,
    /// For how many of these the holder dies.
    pub(super) orphans: usize,
    pub(super) ttl: Duration,
    /// Until they have spread their looks.
    pub(super) settling: Duration,
    /// While the server tells what it gets.
    pub(super) watched: Duration,
    pub(super) measured: Duration,
    /// Over how long the holder releases.
    pub(super) releasing: Duration,
}

impl Steps {
    pub(super) fn new(extent: Extent) -> Self {
        let (secs, ms) = (Duration::from_secs, Duration::from_millis);
        match extent {
            Extent::Full => Self {
                work: "20,000 waiters",
                waiters: 20_000,
                orphans: 20,
                ttl: secs(30),
                settling: secs(50),
                watched: secs(10),
                measured: secs(60),
                releasing: secs(10),
            },
            Extent::Short => Self {
                work: "500 waiters",
                waiters: 500,
                orphans: 5,
                ttl: secs(2),
                settling: ms(500),
                watched: ms(500),
                measured: ms(1500),
                releasing: ms(500),
            },
        }
    }

    /// How long a waiter rests between two looks, but for a quarter more that is drawn.
    pub(super) fn period(&self) -> Duration {
        let crowd = Duration::from_secs(1).mul_f64(self.waiters as f64 / LOOKS_A_SECOND as f64);
        crowd.max(Duration::from_secs(1))
    }

    /// The longest that one may go without a look.
    pub(super) fn longest_rest(&self) -> Duration {
        self.period() * 5 / 4
    }

    pub(super) fn orphaned(&self) -> Range<usize> {
        0..self.orphans
    }

    pub(super) fn released(&self) -> Range<usize> {
        self.orphans..self.waiters
    }
}
