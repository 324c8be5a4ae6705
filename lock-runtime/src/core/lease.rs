//! The arithmetic of a lease: until when a grant may be used, and what ends it.
//!
//! Must stay true: a deadline is counted from the instant before the request was sent, and only grows.

use std::time::Duration;

use super::Doubt;
use super::renewal::Schedule;
use crate::clock::Moment;
use crate::error::LossReason;
use crate::store::StoreError;

/// How long before its deadline an idle body is told: one tick of a timer and the wake of a thread.
const LEAD: Duration = Duration::from_millis(2);

/// How much slower or faster the store's clock may run than ours, over one ttl.
pub(crate) fn drift(ttl: Duration) -> Duration {
    ttl / 100 + Duration::from_millis(2)
}

/// What the body has to be dropped in.
pub(crate) fn margin(ttl: Duration) -> Duration {
    (ttl / 20).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

/// The instant from which no step of the body may start, for a grant or renewal that was sent at `sent`.
pub(crate) fn deadline(sent: Moment, ttl: Duration) -> Moment {
    sent + ttl.saturating_sub(drift(ttl) + margin(ttl))
}

/// A lease that was granted, until its ticket is released.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) fence: u64,
    /// As last asked for; the next renewal asks for it again.
    pub(crate) ttl: Duration,
    pub(crate) deadline: Moment,
    /// When `max_hold` is over.
    pub(crate) hold_until: Moment,
    /// When `min_hold` is over; the past when there is none.
    pub(crate) keep_until: Moment,
    pub(crate) schedule: Schedule,
    /// Whether its task has seen the grant.
    pub(crate) claimed: bool,
    pub(crate) lost: Option<LossReason>,
    /// Asks of this token beside the one that was granted.
    pub(super) doubt: Doubt,
    pub(crate) by_hand: Option<ByHand>,
}

/// A renewal that a task asked for and waits for.
#[derive(Debug)]
pub(crate) struct ByHand {
    /// Only a renewal that was sent from then on satisfies it.
    pub(crate) since: Moment,
    pub(crate) until: Moment,
    pub(crate) trouble: Option<StoreError>,
    pub(crate) outcome: Option<Result<(), StoreError>>,
}

impl Held {
    /// The instant from which no step of the body may start.
    pub(crate) fn until(&self) -> Moment {
        self.deadline.min(self.hold_until)
    }

    /// Whether it is over by the clock, and why.
    pub(crate) fn over(&self, now: Moment) -> Option<LossReason> {
        (now + LEAD >= self.until()).then_some(if self.hold_until <= self.deadline {
            LossReason::MaxHold
        } else {
            LossReason::Expired
        })
    }

    /// When the clock may next have something to say about it.
    pub(crate) fn due(&self) -> Moment {
        if self.lost.is_some() {
            return Moment::MAX;
        }
        let over = self.until() - LEAD;
        if !self.claimed {
            // A grant that nobody has looked at is not kept alive.
            return over;
        }
        let by_hand =
            self.by_hand.as_ref().filter(|hand| hand.outcome.is_none()).map_or(Moment::MAX, |hand| hand.until);
        over.min(self.schedule.due()).min(by_hand)
    }

    /// A renewal that was sent at `sent` with this ttl was confirmed.
    pub(crate) fn renewed(&mut self, sent: Moment, ttl: Duration) {
        self.deadline = self.deadline.max(deadline(sent, ttl));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_deadline_leaves_drift_and_margin_before_the_ttl() {
        // 30 s: drift 302 ms, margin 1 s.
        assert_eq!(deadline(at(1000), Duration::from_secs(30)), at(1000 + 30_000 - 302 - 1000));
        // 50 ms: drift 2.5 ms, margin 5 ms.
        assert_eq!(deadline(at(0), Duration::from_millis(50)), Moment::from_nanos(42_500_000));
        assert_eq!(margin(Duration::from_secs(10)), Duration::from_millis(500));
    }

    fn held(hold_until: Moment) -> Held {
        Held {
            fence: 1,
            ttl: Duration::from_secs(1),
            deadline: at(900),
            hold_until,
            keep_until: Moment::MIN,
            schedule: Schedule::never(),
            claimed: true,
            lost: None,
            doubt: Doubt::Nowhere,
            by_hand: None,
        }
    }

    #[test]
    fn the_clock_ends_a_lease_just_before_its_deadline() {
        let held = held(Moment::MAX);
        assert_eq!(held.over(at(897)), None);
        assert_eq!(held.over(at(898)), Some(LossReason::Expired));
        assert_eq!(held.due(), at(898));
    }

    #[test]
    fn max_hold_ends_a_lease_whatever_was_renewed() {
        let mut held = held(at(1500));
        held.renewed(at(1000), Duration::from_secs(1));
        assert_eq!(held.until(), at(1500));
        assert_eq!(held.over(at(1499)), Some(LossReason::MaxHold));
    }

    #[test]
    fn a_late_or_shorter_renewal_never_lowers_the_deadline() {
        let mut held = held(Moment::MAX);
        held.renewed(at(0), Duration::from_millis(100));
        assert_eq!(held.deadline, at(900));
    }
}
