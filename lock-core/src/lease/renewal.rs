//! When a lease is renewed: about every third of its ttl, sooner after a failure, never twice at once.
//!
//! Leases of one rhythm fall due together once they have met, and those of another apart from them.
//! Must stay true: a failed or unanswered renewal is tried again until the deadline; it never ends the lease.

use std::time::Duration;

use super::backoff::jitter;
use crate::store::Moment;

/// The longest that one renewal may stay without an answer.
const LONGEST_TRY: Duration = Duration::from_secs(1);
/// The longest pause after a failed renewal.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long after its arrival a lease that was handed over is renewed.
const FIRST_AFTER: Duration = Duration::from_millis(10);
/// The furthest ahead of its time that a renewal goes along with others.
const LONGEST_LEAD: Duration = Duration::from_millis(100);

/// How many moments there are in a lead for which a renewal is planned.
const MOMENTS_A_LEAD: u32 = 4;

/// How much sooner or later than others a lease is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rhythm(pub u64);

/// One lease's renewals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// Whether a renewal is followed by the next.
    automatic: bool,
    next: Moment,
    /// From when on it may go out together with others.
    from: Moment,
    /// The one that is under way: when it was sent, and when it counts as failed.
    in_flight: Option<(Moment, Moment)>,
    failures: u32,
}

impl Schedule {
    /// For a lease that is renewed by hand alone.
    pub fn never() -> Self {
        Self { automatic: false, next: Moment::MAX, from: Moment::MAX, in_flight: None, failures: 0 }
    }

    /// For a lease that was granted at `now`.
    pub fn start(now: Moment, ttl: Duration, rhythm: Rhythm) -> Self {
        let mut schedule = Self { automatic: true, ..Self::never() };
        schedule.plan(now, ttl, rhythm);
        schedule
    }

    /// For a lease that was handed over and lasts for a short time only.
    pub fn start_soon(now: Moment, first_lease: Duration) -> Self {
        Self::never().with_renewals(now, first_lease)
    }

    /// From now on with renewals, for a lease that lasts for so long without: soon, but not before a short body has
    /// ended.
    #[must_use]
    pub fn with_renewals(mut self, now: Moment, lasts: Duration) -> Self {
        self.automatic = true;
        self.put_off_to(now + FIRST_AFTER.min(lasts / 4));
        self
    }

    /// From now on by hand alone. One that is under way stays so: the lease's release has to go behind it.
    #[must_use]
    pub fn without_renewals(mut self) -> Self {
        self.automatic = false;
        self.put_off_to(Moment::MAX);
        self
    }

    /// Whether a renewal is followed by the next.
    pub fn is_automatic(&self) -> bool {
        self.automatic
    }

    /// When it next needs attention: to be sent, or to be given up on.
    pub fn due(&self) -> Moment {
        self.in_flight.map_or(self.next, |(_, fails_at)| fails_at)
    }

    /// Whether one should be sent at `now`; a little before its time counts, so that renewals go out together.
    pub fn wants(&self, now: Moment) -> bool {
        self.in_flight.is_none() && self.from <= now
    }

    /// Whether one is under way.
    pub fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// One was sent. It fails without an answer after a time that leaves room for others before the deadline.
    pub fn sent(&mut self, now: Moment, ttl: Duration) {
        self.in_flight = Some((now, now + (ttl / 6).min(LONGEST_TRY)));
    }

    /// One has had no answer for too long.
    pub fn timed_out(&self, now: Moment) -> bool {
        self.in_flight.is_some_and(|(_, fails_at)| fails_at <= now)
    }

    /// One was confirmed; the next comes a third of the ttl later.
    pub fn succeeded(&mut self, now: Moment, ttl: Duration, rhythm: Rhythm) {
        self.in_flight = None;
        self.plan(now, ttl, rhythm);
    }

    /// The one that was sent at `sent` failed; the next comes after a short pause. Older news is ignored.
    pub fn failed(&mut self, now: Moment, sent: Moment, ttl: Duration, rhythm: Rhythm) {
        if self.in_flight.is_some_and(|(current, _)| current == sent) {
            self.in_flight = None;
            self.failures = self.failures.wrapping_add(1);
            let pause = jitter(rhythm.0, self.failures, (ttl / 20).min(LONGEST_PAUSE));
            self.put_off_to(now + pause);
        }
    }

    /// The one under way had no answer in time.
    pub fn give_up(&mut self, now: Moment, ttl: Duration, rhythm: Rhythm) {
        if let Some((sent, _)) = self.in_flight {
            self.failed(now, sent, ttl, rhythm);
        }
    }

    /// Asks for one at once, or as soon as the one under way is answered.
    pub fn hurry(&mut self, now: Moment) {
        self.put_off_to(now);
    }

    /// Waits to be hurried: there is no connection to send one on.
    pub fn park(&mut self) {
        self.put_off_to(Moment::MAX);
    }

    /// Whether it waits to be hurried.
    pub fn is_parked(&self) -> bool {
        self.in_flight.is_none() && self.next == Moment::MAX
    }

    fn plan(&mut self, now: Moment, ttl: Duration, rhythm: Rhythm) {
        if !self.automatic {
            return self.put_off_to(Moment::MAX);
        }
        // A third of the ttl, 10 % sooner or later, so that not all locks that were taken together stay together.
        let third = ttl / 3;
        let lead = (ttl / 30).min(LONGEST_LEAD);
        let next = now + third * 9 / 10 + jitter(rhythm.0, 0, third / 5);
        // Those that go out together anyway share a moment, of which there are few.
        self.next = next.at_or_before(lead / MOMENTS_A_LEAD);
        self.from = self.next - lead;
    }

    /// Not before then, together with others or not.
    fn put_off_to(&mut self, next: Moment) {
        (self.next, self.from) = (next, next);
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
        assert!(!schedule.wants(sent), "never two at once");
        assert_eq!(schedule.due(), sent + Duration::from_secs(1));
        schedule.failed(sent, START, TTL, RHYTHM);
        assert!(schedule.is_in_flight(), "that was not the one under way");
        schedule.failed(sent, sent, TTL, RHYTHM);
        assert!(schedule.due().since(sent) <= LONGEST_PAUSE);
    }

    #[test]
    fn renewals_that_fall_due_together_go_out_together() {
        let schedule = Schedule::start(START, TTL, RHYTHM);
        assert!(schedule.wants(schedule.due() - Duration::from_millis(99)));
        assert!(!schedule.wants(schedule.due() - Duration::from_millis(200)));
    }
}
