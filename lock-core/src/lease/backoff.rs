//! Back-off: the one place where pauses between retries grow and are jittered.

use std::time::Duration;

/// Pauses that double from retry to retry up to a longest one. The second half of each is jittered, so that clients
/// that failed together do not retry together.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause, before jitter.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Backoff {
    /// For requests to a store: 50 ms, 100 ms, .. up to a second.
    pub const OF_OPERATIONS: Self = Self { first: Duration::from_millis(50), longest: Duration::from_secs(1) };

    /// The pause after so many earlier failures: half of it, and a part of the other half that depends on the seed.
    pub fn pause(self, seed: u64, failures: u32) -> Duration {
        let half = self.first.saturating_mul(1 << failures.min(16)).min(self.longest) / 2;
        half + jitter(seed, failures, half)
    }
}

/// A part of `span` that depends on the seed and the step.
pub fn jitter(seed: u64, step: u32, span: Duration) -> Duration {
    // SplitMix64's finalizer (Steele, Lea, Flood 2014): well spread, and deterministic.
    let mut bits = seed ^ u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    #[allow(clippy::cast_precision_loss)] // a fraction needs no more than 53 bits
    span.mul_f64((bits >> 11) as f64 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread_over_their_second_half() {
        let pause = |failures, seed| Backoff::OF_OPERATIONS.pause(seed, failures);
        for (failures, whole) in [(0, 50), (1, 100), (4, 800), (5, 1000), (40, 1000)] {
            let pauses: Vec<Duration> = (0..100).map(|seed| pause(failures, seed)).collect();
            let (half, whole) = (Duration::from_millis(whole / 2), Duration::from_millis(whole));
            assert!(pauses.iter().all(|pause| (half..=whole).contains(pause)), "{failures}: {pauses:?}");
            let spread = pauses.iter().max().zip(pauses.iter().min()).map(|(most, least)| most.saturating_sub(*least));
            assert!(spread > Some(half * 9 / 10), "{failures}: {spread:?}");
        }
    }
}
