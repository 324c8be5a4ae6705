//! Readings of a store's clock, and what they say about ours.
//!
//! A hand-over message takes an unknown time to arrive. So its deadline is counted from what is known for certain: the
//! store's clock at the hand-over, compared with an earlier reading that came in a reply.
//! Must stay true: the instant that is counted from is never after the hand-over, as long as the rates of the clocks
//! differ by less than one per cent.

use crate::store::{Moment, Names};

/// The store's clock read `clock` (in microseconds) in the reply to what was sent at `sent`, and so not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    pub sent: Moment,
    pub clock: u64,
}

impl Reading {
    /// A lower bound on our time when the store's clock read `clock`: it may run a hundredth faster than ours.
    pub fn lower_bound(self, clock: u64) -> Moment {
        let passed = (i128::from(clock) - i128::from(self.clock)) * 990;
        let moment = (i128::from(self.sent.nanos()) + passed).max(0);
        Moment::from_nanos(u64::try_from(moment).unwrap_or(u64::MAX))
    }

    /// The reading that gives the later lower bound.
    #[must_use]
    pub fn tighter(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.lower_bound(self.clock) > self.sent => other,
            _ => self,
        }
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl Names) {
        names.moment(&mut self.sent);
        names.clock(&mut self.clock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_hand_over_is_counted_from_before_it_happened() {
        let reading = Reading { sent: at(1000), clock: 5_000_000 };
        assert_eq!(reading.lower_bound(5_000_000), at(1000));
        assert_eq!(reading.lower_bound(5_100_000), at(1099), "ours may be the slower clock");
        assert_eq!(reading.lower_bound(4_900_000), at(901), "a clock that was set back costs time, and that is all");
        assert_eq!(reading.lower_bound(0), at(0));
    }

    #[test]
    fn of_two_readings_the_one_that_says_more_counts() {
        let fast = Reading { sent: at(1000), clock: 5_000_000 };
        // Ten seconds later; its request took a second to arrive.
        let slow = Reading { sent: at(10_000), clock: 15_000_000 };
        assert_eq!(fast.tighter(Some(slow)).sent, at(1000));
        assert_eq!(slow.tighter(Some(fast)).sent, at(1000));
        let fresh = Reading { sent: at(11_000), clock: 15_000_000 };
        assert_eq!(fresh.tighter(Some(fast)).sent, at(11_000));
    }
}
