//! How often waiters look.
//!
//! A waiter with grant messages looks only in case a message is lost or a holder dies, so the looks of very many are
//! spread: their period grows with their number.

use std::time::Duration;

/// How many looks per second all waiters with grant messages together may send.
pub const LOOKS_PER_SECOND: u32 = 500;
/// The shortest and the longest period of a waiter with grant messages, unless there are very many waiters.
const PERIOD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long stores keep a queue after the last look of a waiter in it.
pub const QUEUE_KEPT_FOR: Duration = Duration::from_secs(30);

/// How long a waiter with grant messages rests between two looks, if the key is held for so long at most, and so many
/// wait for keys.
pub fn period(held_for: Duration, waiters: usize) -> Duration {
    held_for.clamp(PERIOD.0, PERIOD.1).max(crowd_period(waiters))
}

/// The part of the period that depends on the number of waiters alone.
pub fn crowd_period(waiters: usize) -> Duration {
    PERIOD.1 * u32::try_from(waiters).unwrap_or(u32::MAX) / LOOKS_PER_SECOND
}

/// How long a queue has to be kept after a look, three periods, if that is longer than stores keep it anyway.
pub fn queue_kept_for(waiters: usize) -> Option<Duration> {
    Some(crowd_period(waiters) * 3).filter(|lasts| *lasts > QUEUE_KEPT_FOR)
}

/// How long the answer that a key is held counts as recent.
pub fn known_held_for(held_for: Duration) -> Duration {
    held_for.clamp(PERIOD.0, PERIOD.1) * 5 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_grows_with_the_number_of_waiters_and_the_queue_outlasts_it() {
        let secs = Duration::from_secs;
        assert_eq!(period(secs(30), 1), secs(1));
        assert_eq!(period(Duration::ZERO, 1), Duration::from_millis(100));
        assert_eq!(period(Duration::ZERO, 20_000), secs(40));
        assert_eq!((queue_kept_for(5000), queue_kept_for(20_000)), (None, Some(secs(120))));
        assert_eq!(known_held_for(secs(30)), Duration::from_millis(1250));
    }
}
