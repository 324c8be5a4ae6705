//! How often those who wait look, however many they are.
//!
//! Who is told of its grant looks only in case that a message is lost or a holder dies, so the looks of very many are
//! spread: the period grows with their number.

use std::time::Duration;

/// How many looks a second all waiters together may send, once they are told of their grants.
pub const A_SECOND: u32 = 500;
/// The shortest and the longest period, but for a crowd, of a waiter who is told of its grant.
const PERIOD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long a queue outlasts the last look of one who stands in it, as stores have it.
pub const QUEUE_LASTS: Duration = Duration::from_secs(30);

/// How long a waiter who is told of its grant rests between two looks, if the key is held for so long and so many wait
/// for keys.
pub fn period(held_for: Duration, waiters: usize) -> Duration {
    held_for.clamp(PERIOD.0, PERIOD.1).max(crowd_period(waiters))
}

/// The same, if the holder's ttl does not matter.
pub fn crowd_period(waiters: usize) -> Duration {
    PERIOD.1 * u32::try_from(waiters).unwrap_or(u32::MAX) / A_SECOND
}

/// For how long a queue has to be kept after a look, if for longer than it is anyway: three periods.
pub fn queue_lasts(waiters: usize) -> Option<Duration> {
    Some(crowd_period(waiters) * 3).filter(|lasts| *lasts > QUEUE_LASTS)
}

/// For how long it is news that a key is held.
pub fn fresh_for(held_for: Duration) -> Duration {
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
        assert_eq!((queue_lasts(5000), queue_lasts(20_000)), (None, Some(secs(120))));
        assert_eq!(fresh_for(secs(30)), Duration::from_millis(1250));
    }
}
