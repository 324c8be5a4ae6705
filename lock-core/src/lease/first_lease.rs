//! How long a lease that is handed over lasts until its first renewal.

use std::time::Duration;

use super::deadline::{drift, margin};
use super::terms::Terms;

/// The shortest first lease, where the ttl allows it.
const SHORTEST: Duration = Duration::from_secs(1);
/// How many round trips a first lease covers at least: the message, a renewal, and delays of both.
const ROUND_TRIPS: u32 = 8;
/// How often a first lease is doubled at most.
const MOST_DOUBLINGS: u32 = 6;

/// How long the first leases are that waiters ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FirstLease {
    round_trip: Duration,
    /// Whether the keeper has measured it.
    is_measured: bool,
    doublings: u32,
}

impl FirstLease {
    /// An operation took this long until its task saw the answer: an upper bound, as the task may have been held up.
    pub fn saw_round_trip_of_task(&mut self, round_trip: Duration) {
        if !self.is_measured {
            self.longest_counts(round_trip);
        }
    }

    /// An operation of the keeper took this long.
    pub fn saw_round_trip(&mut self, round_trip: Duration) {
        if !std::mem::replace(&mut self.is_measured, true) {
            self.round_trip = Duration::ZERO;
        }
        self.longest_counts(round_trip);
    }

    /// The longest counts, and decays.
    fn longest_counts(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.max(self.round_trip / 8 * 7 + round_trip / 8);
    }

    /// How long an operation takes.
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// A first lease arrived too late, or ended before it was renewed.
    pub fn was_too_short(&mut self) {
        self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
    }

    /// A first lease was renewed or released in time.
    pub fn was_long_enough(&mut self) {
        self.doublings = self.doublings.saturating_sub(1);
    }

    /// How long a task has to look at a grant before it goes to the next.
    pub fn patience(&self) -> Duration {
        SHORTEST.max(self.round_trip * ROUND_TRIPS)
    }

    /// The first lease that a waiter with these terms asks for.
    pub fn of(&self, terms: &Terms) -> Duration {
        if !terms.renew {
            return terms.ttl;
        }
        let wanted = self.patience() * (1 << self.doublings);
        // The first lease outlasts `min_hold` even though the message takes its time.
        let usable = wanted + terms.min_hold.unwrap_or_default();
        let lasts = terms.min_hold.map_or(usable, |_| usable + drift(usable) + margin(usable));
        lasts.min(terms.ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Wait;
    use crate::store::Kind;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn terms(ttl: Duration, renew: bool, min_hold: Option<Duration>) -> Terms {
        Terms { kind: Kind::Exclusive, ttl, wait: Wait::Forever, renew, max_hold: None, min_hold, once: None }
    }

    #[test]
    fn it_is_a_second_or_eight_round_trips_and_never_more_than_the_ttl() {
        let mut first = FirstLease::default();
        assert_eq!(first.of(&terms(ms(30_000), true, None)), ms(1000));
        assert_eq!(first.of(&terms(ms(400), true, None)), ms(400));
        first.saw_round_trip(ms(1200));
        assert_eq!(first.of(&terms(ms(30_000), true, None)), ms(9600));
        first.saw_round_trip(ms(400));
        assert_eq!(first.of(&terms(ms(30_000), true, None)), ms(1100 * 8), "the longest fades");
    }

    #[test]
    fn what_a_task_measures_counts_until_the_keeper_has_measured() {
        let mut first = FirstLease::default();
        first.saw_round_trip_of_task(ms(6000));
        assert_eq!(first.patience(), ms(48_000));
        first.saw_round_trip(ms(200));
        first.saw_round_trip_of_task(ms(6000));
        assert_eq!(first.patience(), ms(1600));
    }

    #[test]
    fn without_renewals_it_is_the_whole_ttl_and_with_a_min_hold_that_much_more() {
        let first = FirstLease::default();
        assert_eq!(first.of(&terms(ms(30_000), false, None)), ms(30_000));
        assert_eq!(first.of(&terms(ms(30_000), true, Some(ms(5000)))), ms(6000 + 62 + 300));
        assert_eq!(first.of(&terms(ms(5500), true, Some(ms(5000)))), ms(5500));
    }

    #[test]
    fn it_doubles_when_it_was_too_short_and_comes_back() {
        let (mut first, terms) = (FirstLease::default(), terms(ms(3_600_000), true, None));
        first.was_too_short();
        first.was_too_short();
        assert_eq!(first.of(&terms), ms(4000));
        first.was_long_enough();
        assert_eq!(first.of(&terms), ms(2000));
        (0..100).for_each(|_| first.was_too_short());
        assert_eq!(first.of(&terms), ms(64_000));
    }
}
