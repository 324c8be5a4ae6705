//! A lease while it is held, as a value: until when it lasts, what renews it, and what ends it.
//!
//! Must stay true: its deadline only grows; a loss is final.

use std::time::Duration;

use super::doubt::Doubt;
use super::manual::ManualRenewals;
use super::messages::SessionId;
use super::waiting::Waiting;
use crate::lease::{Fences, Rhythm, Schedule, Terms, deadline, margin, usable};
use crate::planted::{Mutant, planted};
use crate::store::{Entry, Kind, LossReason, Moment};

/// How long before its deadline an idle body is told: one tick of a timer and the wake of a thread.
const LEAD: Duration = Duration::from_millis(2);

/// How a lease came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// As the answer to a question.
    Answer,
    /// By a hand-over, for its first lease only.
    Message { first_lease: Duration },
}

/// What the store granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) fences: Fences,
    /// The instant from which it counts: before the store granted it.
    pub(super) from: Moment,
    pub(super) by: By,
}

/// A lease that was granted, until its ticket is released.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) fences: Fences,
    /// When it came to this process, or last went on.
    pub(super) came_at: Moment,
    /// It lasts for a first lease, and was not renewed since.
    pub(super) first_lease: bool,
    /// As last asked for; the next renewal asks for it again.
    pub(super) ttl: Duration,
    /// The longest that was ever asked for under its token: no longer is the key left to it.
    pub(super) longest_ttl: Duration,
    pub(super) deadline: Moment,
    /// When `max_hold` is over.
    pub(super) hold_until: Moment,
    /// When `min_hold` is over; the past when there is none.
    pub(super) keep_until: Moment,
    pub(super) schedule: Schedule,
    /// Whether its task has seen the grant.
    pub(super) claimed: bool,
    pub(super) lost: Option<LossReason>,
    /// Questions about this token beside the one that was granted, if there were any.
    pub(super) in_doubt: Option<Box<InDoubt>>,
    /// Whether it was waited for in the store's queue.
    pub(super) queued: bool,
    /// As what its holder waits, while a lease with too little time left is renewed for it.
    pub(super) waiting: Option<Box<Waiting>>,
    pub(super) manual: Option<Box<ManualRenewals>>,
}

/// Questions about a lease's token that may yet take effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct InDoubt {
    pub(super) doubt: Doubt,
    /// One that is under way still: when it was sent, and where.
    pub(super) unanswered: Option<(Moment, SessionId)>,
    /// The token's place in the queue, which such an ask may take again.
    pub(super) entry: Option<Entry>,
}

impl InDoubt {
    /// Where they are.
    pub(super) fn doubt(&self) -> Doubt {
        self.doubt.and(self.unanswered.map(|(_, session)| session))
    }
}

impl Held {
    /// A lease as it was granted at `now`, without doubt.
    pub(super) fn new(now: Moment, granted: Granted, terms: &Terms, rhythm: Rhythm) -> Self {
        let (lasts, schedule) = match granted.by {
            By::Answer => (terms.ttl, Schedule::start(granted.from, terms.ttl, rhythm)),
            By::Message { first_lease } if planted(Mutant::FirstLeaseUnrenewed) => (first_lease, Schedule::never()),
            By::Message { first_lease } => (first_lease, Schedule::start_soon(now, first_lease)),
        };
        let schedule = if terms.renew { schedule } else { Schedule::never() };
        let mut held = Self {
            kind: terms.kind,
            fences: granted.fences,
            came_at: now,
            first_lease: matches!(granted.by, By::Message { .. }),
            ttl: terms.ttl,
            longest_ttl: terms.ttl.max(lasts),
            deadline: deadline(granted.from, lasts),
            hold_until: Moment::MAX,
            keep_until: Moment::MIN,
            schedule,
            claimed: false,
            lost: None,
            in_doubt: None,
            queued: false,
            waiting: None,
            manual: None,
        };
        held.begin(now, terms);
        held
    }

    /// The same lease for the next holder in the same process, who gets the next of its fences.
    /// If too little time is left of it, it is renewed first, and its holder is still `waiting`.
    pub(super) fn passed_on(self, now: Moment, fences: Fences, terms: &Terms, waiting: Option<Box<Waiting>>) -> Self {
        let is_ready = waiting.is_none();
        let mut schedule = match (terms.renew, self.schedule.is_automatic()) {
            (true, true) => self.schedule,
            (true, false) => self.schedule.with_renewals(now, self.deadline.since(now)),
            (false, _) => self.schedule.without_renewals(),
        };
        if !is_ready {
            schedule.hurry(now);
        }
        let deadline = if terms.renew { self.deadline } else { self.deadline.min(deadline(now, terms.ttl)) };
        let longest_ttl = self.longest_ttl.max(terms.ttl);
        let mut heir = Self {
            fences,
            ttl: terms.ttl,
            longest_ttl,
            deadline,
            schedule,
            claimed: false,
            waiting,
            manual: None,
            ..self
        };
        (heir.hold_until, heir.keep_until) = (Moment::MAX, Moment::MIN);
        if is_ready {
            heir.begin(now, terms);
        }
        heir
    }

    /// Whether what is left of it is enough for the next holder to begin with: a third of the ttl, or all of it if it is
    /// not renewed.
    pub(super) fn has_enough_for(&self, now: Moment, terms: &Terms) -> bool {
        let enough = if terms.renew { terms.ttl / 3 } else { usable(terms.ttl) };
        self.deadline.since(now) >= enough && self.outlasts_min_hold(now, terms)
    }

    /// Whether the key is there until `min_hold` is over, even if nothing that is sent from now on reaches the store; one
    /// of nearly the whole ttl asks for no more than a new lease has.
    pub(super) fn outlasts_min_hold(&self, now: Moment, terms: &Terms) -> bool {
        let Some(min_hold) = terms.min_hold else { return true };
        self.deadline.since(now) >= min_hold.min(usable(terms.ttl).saturating_sub(margin(terms.ttl)))
    }

    /// Its holder begins when it was renewed, and waits until then.
    pub(super) fn renew_first(&mut self, now: Moment, waiting: Box<Waiting>) {
        (self.hold_until, self.keep_until) = (Moment::MAX, Moment::MIN);
        self.waiting = Some(waiting);
        self.schedule.hurry(now);
    }

    /// Its holder's time begins.
    pub(super) fn begin(&mut self, now: Moment, terms: &Terms) {
        self.waiting = None;
        self.hold_until = terms.max_hold.map_or(Moment::MAX, |max| now + max);
        self.keep_until = terms.min_hold.map_or(Moment::MIN, |min| now + min);
    }

    /// Where questions are that may yet take effect.
    pub(super) fn doubt(&self) -> Doubt {
        self.in_doubt.as_ref().map_or(Doubt::Nowhere, |questions| questions.doubt())
    }

    /// The place in the queue that such a question may take again.
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.in_doubt.as_ref()?.entry.as_ref()
    }

    /// The question that was sent then was answered: whatever it did is known now, and the lease is held anyway.
    pub(super) fn ask_answered(&mut self, sent: Moment) {
        self.in_doubt.take_if(|questions| {
            questions.unanswered.take_if(|(asked, _)| *asked == sent);
            questions.doubt() == Doubt::Nowhere
        });
    }

    /// The instant from which no step of the body may start.
    pub(super) fn until(&self) -> Moment {
        self.deadline.min(self.hold_until)
    }

    /// Whether it is over by the clock, and why.
    pub(super) fn over(&self, now: Moment) -> Option<LossReason> {
        (now + LEAD >= self.until()).then_some(if self.hold_until <= self.deadline {
            LossReason::MaxHold
        } else {
            LossReason::Expired
        })
    }

    /// When the clock may next have something to say about it.
    pub(super) fn due(&self) -> Moment {
        if self.lost.is_some() {
            return Moment::MAX;
        }
        let over = self.until() - LEAD;
        if !self.is_kept_alive() {
            return over;
        }
        let over = over.min(self.waiting.as_ref().map_or(Moment::MAX, |waiting| waiting.time_up));
        let manual = self.manual.as_ref().map_or(Moment::MAX, |renewals| renewals.due());
        over.min(self.schedule.due()).min(manual)
    }

    /// The keeper has a session again.
    pub(super) fn unpark(&mut self, now: Moment) {
        if self.schedule.is_parked() {
            self.schedule.hurry(now);
        }
    }

    /// Whether its holder may begin.
    pub(super) fn is_ready(&self) -> bool {
        self.waiting.is_none()
    }

    /// A grant that nobody has looked at is not kept alive.
    pub(super) fn is_kept_alive(&self) -> bool {
        self.claimed || !self.is_ready()
    }

    /// Whether a renewal is still of use to anybody.
    pub(super) fn is_to_be_renewed(&self) -> bool {
        self.schedule.is_automatic() || self.is_renewed_by_hand() || !self.is_ready()
    }

    /// Whether somebody waits for a renewal by hand.
    pub(super) fn is_renewed_by_hand(&self) -> bool {
        self.manual.as_ref().is_some_and(|renewals| renewals.longest().is_some())
    }

    /// For how long the next renewal asks.
    pub(super) fn next_ttl(&self) -> Duration {
        self.ttl.max(self.manual.as_ref().and_then(|renewals| renewals.longest()).unwrap_or_default())
    }

    /// A renewal that was sent at `sent` with this ttl was confirmed.
    pub(super) fn renewed(&mut self, sent: Moment, ttl: Duration) {
        self.first_lease = false;
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

    fn held(max_hold: Option<Duration>) -> Held {
        let terms = Terms {
            kind: Kind::Exclusive,
            ttl: Duration::from_secs(1),
            wait: crate::lease::Wait::Forever,
            renew: true,
            max_hold,
            min_hold: None,
        };
        let granted = Granted { fences: Fences::block(1, 1), from: at(0), by: By::Answer };
        let mut held = Held::new(at(0), granted, &terms, Rhythm(7));
        held.claimed = true;
        held.schedule = Schedule::never();
        held
    }

    #[test]
    fn the_clock_ends_a_lease_just_before_its_deadline() {
        let held = Held { deadline: at(900), ..held(None) };
        assert_eq!(held.over(at(897)), None);
        assert_eq!(held.over(at(898)), Some(LossReason::Expired));
        assert_eq!(held.due(), at(898));
    }

    #[test]
    fn max_hold_ends_a_lease_whatever_was_renewed() {
        let mut held = held(Some(Duration::from_millis(1500)));
        held.renewed(at(1000), Duration::from_secs(1));
        assert_eq!(held.until(), at(1500));
        assert_eq!(held.over(at(1499)), Some(LossReason::MaxHold));
    }

    #[test]
    fn a_late_or_shorter_renewal_never_lowers_the_deadline() {
        let mut held = Held { deadline: at(900), ..held(None) };
        held.renewed(at(0), Duration::from_millis(100));
        assert_eq!(held.deadline, at(900));
    }
}
