//! Readings of a store's clock, and what they say about ours.
//!
//! A hand-over message takes an unknown time to arrive. So its deadline is counted from what is known for certain: the
//! store's clock at the hand-over, compared with an earlier reading that came in a reply.
//! Must stay true: the instant that is counted from is never after the hand-over, as long as the rates of the clocks
//! differ by less than one per cent; readings of two clocks are never compared, since one may be ahead of the other.

use crate::store::{ClockReading, Moment, Names};

/// The store's clock showed `clock` in the reply to what was sent at `sent`, and so not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    pub sent: Moment,
    pub clock: ClockReading,
}

impl Reading {
    /// A lower bound on our time when the same clock showed `clock`: it may run a hundredth faster than ours. None if
    /// that is of another clock.
    pub fn lower_bound(self, clock: ClockReading) -> Option<Moment> {
        if clock.of != self.clock.of {
            return None;
        }
        let passed = (i128::from(clock.micros) - i128::from(self.clock.micros)) * 990;
        let moment = (i128::from(self.sent.nanos()) + passed).max(0);
        Some(Moment::from_nanos(u64::try_from(moment).unwrap_or(u64::MAX)))
    }

    /// The reading that gives the later lower bound; this one, if the other is of another clock.
    #[must_use]
    pub fn tighter(self, other: Option<Self>) -> Self {
        let says_more = |other: &Self| other.lower_bound(self.clock).is_some_and(|bound| bound > self.sent);
        other.filter(says_more).unwrap_or(self)
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl Names) {
        names.moment(&mut self.sent);
        names.clock(&mut self.clock.micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ClockId;

    const fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    const fn shows(micros: u64) -> ClockReading {
        ClockReading::new(ClockId::from_bits(1), micros)
    }

    #[test]
    fn a_hand_over_is_counted_from_before_it_happened() {
        let reading = Reading { sent: at(1000), clock: shows(5_000_000) };
        let bound = |micros| reading.lower_bound(shows(micros));
        assert_eq!(bound(5_000_000), Some(at(1000)));
        assert_eq!(bound(5_100_000), Some(at(1099)), "ours may be the slower clock");
        assert_eq!(bound(4_900_000), Some(at(901)), "a clock that was set back costs time, and that is all");
        assert_eq!(bound(0), Some(at(0)));
    }

    #[test]
    fn of_two_readings_the_one_that_says_more_counts() {
        let fast = Reading { sent: at(1000), clock: shows(5_000_000) };
        // Ten seconds later; its request took a second to arrive.
        let slow = Reading { sent: at(10_000), clock: shows(15_000_000) };
        assert_eq!(fast.tighter(Some(slow)).sent, at(1000));
        assert_eq!(slow.tighter(Some(fast)).sent, at(1000));
        let fresh = Reading { sent: at(11_000), clock: shows(15_000_000) };
        assert_eq!(fresh.tighter(Some(fast)).sent, at(11_000));
    }

    #[test]
    fn readings_of_two_clocks_are_never_compared() {
        let reading = Reading { sent: at(1000), clock: shows(5_000_000) };
        for micros in [0, 5_000_000, 5_100_000, u64::MAX] {
            let of_another = ClockReading::new(ClockId::from_bits(2), micros);
            assert_eq!(reading.lower_bound(of_another), None);
            let newer = Reading { sent: at(900), clock: of_another };
            assert_eq!(newer.tighter(Some(reading)), newer, "the last one is of the clock that is read now");
        }
    }
}
