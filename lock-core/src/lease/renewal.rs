//! When a lease is renewed: about every third of its ttl, sooner after a failure, never twice at once.
//!
//! Leases of one rhythm fall due together, and those of different rhythms apart from each other.
//! Must stay true: a failed or unanswered renewal is tried again until the deadline; it never ends the lease.

use std::time::Duration;

use super::backoff::jitter;
use crate::store::{Moment, Names};

/// The longest that one renewal may stay without an answer.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);
/// The longest pause after a failed renewal.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long after a hand-over a lease is first renewed.
const FIRST_RENEWAL_AFTER: Duration = Duration::from_millis(10);
/// How early a renewal may be sent at most, to go together with others.
const LONGEST_LEAD: Duration = Duration::from_millis(100);

/// Renewals are scheduled at multiples of this fraction of the lead, so that those close together share a moment.
const MOMENTS_PER_LEAD: u32 = 4;

/// Offsets a lease's renewals against those of other leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rhythm(pub u64);

/// The renewals of one lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// Whether another renewal follows each.
    automatic: bool,
    next: Moment,
    /// From when on it may be sent together with others.
    earliest: Moment,
    /// The renewal in flight: when it was sent, and when it counts as failed.
    in_flight: Option<(Moment, Moment)>,
    failures: u32,
}

impl Schedule {
    /// For a lease with manual renewals only.
    pub fn never() -> Self {
        Self { automatic: false, next: Moment::MAX, earliest: Moment::MAX, in_flight: None, failures: 0 }
    }

    /// For a lease that was granted at `now`.
    pub fn start(now: Moment, ttl: Duration, rhythm: Rhythm) -> Self {
        let mut schedule = Self { automatic: true, ..Self::never() };
        schedule.plan(now, ttl, rhythm);
        schedule
    }

    /// For a lease that was handed over, and lasts for a short time only.
    pub fn start_soon(now: Moment, first_lease: Duration) -> Self {
        Self::never().with_renewals(now, first_lease)
    }

    /// With automatic renewals from now on, for a lease that lasts for `lasts` without one: soon, but not before a
    /// short body would have ended.
    #[must_use]
    pub fn with_renewals(mut self, now: Moment, lasts: Duration) -> Self {
        self.automatic = true;
        self.schedule_at(now + FIRST_RENEWAL_AFTER.min(lasts / 4));
        self
    }

    /// With manual renewals only from now on. A renewal in flight stays in flight: the release has to go behind it.
    #[must_use]
    pub fn without_renewals(mut self) -> Self {
        self.automatic = false;
        self.schedule_at(Moment::MAX);
        self
    }

    /// Whether another renewal follows each.
    pub fn is_automatic(&self) -> bool {
        self.automatic
    }

    /// When it next needs attention: to send a renewal, or to give up on one.
    pub fn due(&self) -> Moment {
        self.in_flight.map_or(self.next, |(_, fails_at)| fails_at)
    }

    /// Whether a renewal may be sent at `now`; a little early is allowed, so that renewals go together.
    pub fn can_send(&self, now: Moment) -> bool {
        self.in_flight.is_none() && self.earliest <= now
    }

    /// Whether a renewal is in flight.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// A renewal was sent. Its time-out leaves room for retries before the deadline.
    pub fn sent(&mut self, now: Moment, ttl: Duration) {
        self.in_flight = Some((now, now + (ttl / 6).min(LONGEST_ATTEMPT)));
    }

    /// Whether the renewal in flight has timed out.
    pub fn timed_out(&self, now: Moment) -> bool {
        self.in_flight.is_some_and(|(_, fails_at)| fails_at <= now)
    }

    /// A renewal was confirmed; the next is due a third of the ttl later.
    pub fn succeeded(&mut self, now: Moment, ttl: Duration, rhythm: Rhythm) {
        self.in_flight = None;
        self.plan(now, ttl, rhythm);
    }

    /// The renewal that was sent at `sent` failed; the next is due after a short pause. Ignored if another is in
    /// flight.
    pub fn failed(&mut self, now: Moment, sent: Moment, ttl: Duration, rhythm: Rhythm) {
        if self.in_flight.is_some_and(|(current, _)| current == sent) {
            self.in_flight = None;
            self.failures = self.failures.wrapping_add(1);
            let pause = jitter(rhythm.0, self.failures, (ttl / 20).min(LONGEST_PAUSE));
            self.schedule_at(now + pause);
        }
    }

    /// The renewal in flight had no answer in time.
    pub fn give_up(&mut self, now: Moment, ttl: Duration, rhythm: Rhythm) {
        if let Some((sent, _)) = self.in_flight {
            self.failed(now, sent, ttl, rhythm);
        }
    }

    /// A renewal is due at once, or as soon as the one in flight is answered.
    pub fn renew_now(&mut self, now: Moment) {
        self.schedule_at(now);
    }

    /// No renewal is due until [`renew_now`](Self::renew_now): there is no session to send one over.
    pub fn park(&mut self) {
        self.schedule_at(Moment::MAX);
    }

    /// Whether it is parked.
    pub fn is_parked(&self) -> bool {
        self.in_flight.is_none() && self.next == Moment::MAX
    }

    fn plan(&mut self, now: Moment, ttl: Duration, rhythm: Rhythm) {
        if !self.automatic {
            return self.schedule_at(Moment::MAX);
        }
        // A third of the ttl, 10 % sooner or later, so that locks that were taken together are not renewed together for
        // ever.
        let third = ttl / 3;
        let lead = (ttl / 30).min(LONGEST_LEAD);
        let next = now + third * 9 / 10 + jitter(rhythm.0, 0, third / 5);
        // Rounded, so that renewals that go together share a moment.
        self.next = next.at_or_before(lead / MOMENTS_PER_LEAD);
        self.earliest = self.next - lead;
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl Names) {
        names.moment(&mut self.next);
        names.moment(&mut self.earliest);
        if let Some((sent, fails_at)) = &mut self.in_flight {
            names.moment(sent);
            names.moment(fails_at);
        }
    }

    /// Due at this moment, and not earlier together with others.
    fn schedule_at(&mut self, next: Moment) {
        (self.next, self.earliest) = (next, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(30);
    const RHYTHM: Rhythm = Rhythm(7);
    const START: Moment = Moment::from_nanos(1_000_000_000_000);

    #[test]
    fn a_lease_is_renewed_about_every_third_of_its_ttl() {
        for bits in 0..1000 {
            let schedule = Schedule::start(START, TTL, Rhythm(bits));
            let after = schedule.due().since(START);
            assert!(after >= Duration::from_secs(9) && after <= Duration::from_secs(11), "{after:?}");
        }
    }

    #[test]
    fn locks_taken_together_are_renewed_apart() {
        let mut dues = std::collections::BTreeMap::<_, u32>::new();
        for bits in 0..1000 {
            *dues.entry(Schedule::start(START, TTL, Rhythm(bits)).due()).or_default() += 1;
        }
        // Two seconds have eighty moments of 25 ms each.
        let (least, most) = (dues.values().min(), dues.values().max());
        assert!((80..=81).contains(&dues.len()) && most < Some(&40), "{} moments, {least:?} to {most:?}", dues.len());
    }

    #[test]
    fn a_failure_is_tried_again_soon_and_an_old_one_is_ignored() {
        let mut schedule = Schedule::start(START, TTL, RHYTHM);
        let sent = schedule.due();
        schedule.sent(sent, TTL);
        assert!(!schedule.can_send(sent), "never two at once");
        assert_eq!(schedule.due(), sent + Duration::from_secs(1));
        schedule.failed(sent, START, TTL, RHYTHM);
        assert!(schedule.is_in_flight(), "that was not the one under way");
        schedule.failed(sent, sent, TTL, RHYTHM);
        assert!(schedule.due().since(sent) <= LONGEST_PAUSE);
    }

    #[test]
    fn renewals_that_fall_due_together_go_out_together() {
        let schedule = Schedule::start(START, TTL, RHYTHM);
        assert!(schedule.can_send(schedule.due() - Duration::from_millis(99)));
        assert!(!schedule.can_send(schedule.due() - Duration::from_millis(200)));
    }
}
