//! A held lease as a value: its deadline, its renewals, and what ends it.
//!
//! Must stay true: its deadline only grows; a loss is final.

use std::time::Duration;

use super::doubt::Doubt;
use super::ids::SessionId;
use super::manual::ManualRenewals;
use super::messages::Completion;
use super::names::CallNames;
use super::waiting::Waiting;
use crate::lease::{Fences, Rhythm, Schedule, Terms, deadline, margin, usable};
use crate::planted::{Mutant, planted};
use crate::store::{Entry, Kind, LossReason, Moment, Renewed, StoreError};

/// How long before the deadline an idle body is woken: one timer tick and the wake-up of a thread.
const WAKE_LEAD: Duration = Duration::from_millis(2);

/// How a grant arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// As the answer to a request.
    Answer,
    /// By a hand-over message, for its first lease only.
    Message { first_lease: Duration },
}

/// What the store granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) fences: Fences,
    /// The instant that the lease counts from, which is before the store granted it.
    pub(super) from: Moment,
    pub(super) by: By,
}

/// A lease from its grant to its release.
#[allow(clippy::struct_excessive_bools)] // they are true and false independently of each other
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) fences: Fences,
    /// When this process got the lease or last retained it by a rotation: local hand-overs are bounded from here.
    pub(super) local_run_since: Moment,
    /// Whether it still has its first lease, without a renewal since.
    pub(super) first_lease: bool,
    /// The ttl that was last asked for; the next renewal asks for it again.
    pub(super) ttl: Duration,
    /// The longest ttl that was ever asked for under this token: the store keeps the key no longer.
    pub(super) longest_ttl: Duration,
    pub(super) deadline: Moment,
    /// When `max_hold` is over.
    pub(super) hold_until: Moment,
    /// When `min_hold` is over; in the past if there is none.
    pub(super) keep_until: Moment,
    /// When the period of `once` is over, if there is one.
    pub(super) once_until: Option<Moment>,
    /// Whether its release says that it is done.
    pub(super) done: bool,
    pub(super) schedule: Schedule,
    /// By then its task has to have seen the grant; then it goes to the next. Once seen: the task is asked to show that
    /// it is polled by the first renewal from then on.
    pub(super) look_by: Moment,
    /// Whether it was told of that half of the ttl had passed without a renewal.
    pub(super) told_of_half: bool,
    /// Whether its holder may begin: the lease lasts for long enough. If not, it is renewed first.
    pub(super) ready: bool,
    pub(super) lost: Option<LossReason>,
    /// Requests for this token other than the granted one, if there were any.
    pub(super) in_doubt: Option<Box<InDoubt>>,
    /// Whether it came from the store's queue.
    pub(super) queued: bool,
    /// Its holder's state as a waiter, until its task has seen the grant.
    pub(super) waiting: Option<Box<Waiting>>,
    pub(super) manual: Option<Box<ManualRenewals>>,
    downgrade: Option<Box<Downgrading>>,
}

/// An exclusive lease that is made a shared one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Downgrading {
    /// From when on it counts as shared.
    since: Moment,
    is_confirmed: bool,
}

/// Requests for a lease's token that may still take effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct InDoubt {
    pub(super) doubt: Doubt,
    /// The one in flight: when it was sent, and over which session.
    pub(super) unanswered: Option<(Moment, SessionId)>,
    /// The token's queue entry, which such a request may put back.
    pub(super) entry: Option<Entry>,
}

impl InDoubt {
    /// Where those requests are.
    pub(super) fn doubt(&self) -> Doubt {
        self.doubt.and(self.unanswered.map(|(_, session)| session))
    }

    fn show_names(&mut self, names: &mut impl CallNames) {
        if let Some((sent, _)) = &mut self.unanswered {
            names.moment(sent);
        }
        self.entry.iter_mut().for_each(|entry| entry.show_names(names));
    }
}

impl Held {
    /// A lease as granted at `now`, with nothing in doubt.
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
            local_run_since: now,
            first_lease: matches!(granted.by, By::Message { .. }),
            ttl: terms.ttl,
            longest_ttl: terms.ttl.max(lasts),
            deadline: deadline(granted.from, lasts),
            hold_until: Moment::MAX,
            keep_until: Moment::MIN,
            once_until: None,
            done: false,
            schedule,
            look_by: Moment::MAX,
            told_of_half: false,
            ready: true,
            lost: None,
            in_doubt: None,
            queued: false,
            waiting: None,
            manual: None,
            downgrade: None,
        };
        held.begin(now, terms);
        held
    }

    /// The same lease for the next local holder, with the next of its fences; if too little time is left, it is renewed
    /// before that holder begins.
    pub(super) fn for_next_holder(self, now: Moment, fences: Fences, terms: &Terms) -> Self {
        let is_ready = self.has_enough_for(now, terms);
        let mut schedule = match (terms.renew, self.schedule.is_automatic()) {
            (true, true) => self.schedule,
            (true, false) => self.schedule.with_renewals(now, self.deadline.since(now)),
            (false, _) => self.schedule.without_renewals(),
        };
        if !is_ready {
            schedule.renew_now(now);
        }
        let deadline = if terms.renew { self.deadline } else { self.deadline.min(deadline(now, terms.ttl)) };
        let longest_ttl = self.longest_ttl.max(terms.ttl);
        let mut next =
            Self { fences, ttl: terms.ttl, longest_ttl, deadline, schedule, ready: is_ready, manual: None, ..self };
        (next.hold_until, next.keep_until) = (Moment::MAX, Moment::MIN);
        if is_ready {
            next.begin(now, terms);
        }
        next
    }

    /// Its task has yet to see the grant, for which it has so long from when its holder may begin.
    pub(super) fn await_task(&mut self, now: Moment, mut waiting: Box<Waiting>, patience: Duration) {
        if self.ready {
            self.look_by = now + patience;
        } else {
            waiting.token_since = now;
        }
        self.waiting = Some(waiting);
    }

    /// Whether its task looks so late that the lease might end before it is renewed.
    pub(super) fn is_seen_late(&self, now: Moment, patience: Duration) -> bool {
        !self.is_claimed() && self.schedule.is_automatic() && self.is_nearly_over(now, patience)
    }

    /// Whether so little is left that a task may not come to look, or that a lease might end before it is renewed.
    pub(super) fn is_nearly_over(&self, now: Moment, patience: Duration) -> bool {
        let enough = if self.schedule.is_automatic() { self.ttl / 3 } else { self.ttl / 20 };
        self.deadline.since(now) < enough.min(patience / 4)
    }

    /// Whether its task has seen the grant.
    pub(super) fn is_claimed(&self) -> bool {
        self.waiting.is_none()
    }

    /// Whether its holder might have begun long ago, and its task did not look.
    pub(super) fn is_passed_over(&self, now: Moment) -> bool {
        self.ready && !self.is_claimed() && self.look_by <= now && !planted(Mutant::UnseenGrantKept)
    }

    /// Whether enough time is left for the next holder to begin: a third of the ttl, or all of it if it is not renewed.
    fn has_enough_for(&self, now: Moment, terms: &Terms) -> bool {
        let enough = if terms.renew { terms.ttl / 3 } else { usable(terms.ttl) };
        self.deadline.since(now) >= enough && self.outlasts_min_hold(now, terms)
    }

    /// Whether the key outlasts `min_hold` even if nothing that is sent from now on reaches the store. Of a `min_hold`
    /// close to the ttl, no more is required than a new lease provides.
    pub(super) fn outlasts_min_hold(&self, now: Moment, terms: &Terms) -> bool {
        let Some(min_hold) = terms.min_hold else { return true };
        self.deadline.since(now) >= min_hold.min(usable(terms.ttl).saturating_sub(margin(terms.ttl)))
    }

    /// The lease is renewed first; its holder waits for that.
    pub(super) fn renew_first(&mut self, now: Moment) {
        (self.hold_until, self.keep_until) = (Moment::MAX, Moment::MIN);
        self.ready = false;
        self.waiting.iter_mut().for_each(|waiting| waiting.token_since = now);
        self.schedule.renew_now(now);
    }

    /// Its holder begins: `max_hold` and `min_hold` count from here.
    pub(super) fn begin(&mut self, now: Moment, terms: &Terms) {
        self.ready = true;
        self.hold_until = terms.max_hold.map_or(Moment::MAX, |max| now + max);
        self.keep_until = terms.min_hold.map_or(Moment::MIN, |min| now + min);
        self.once_until = terms.once.map(|period| now + period.duration());
    }

    /// Its body has succeeded.
    pub(super) fn complete(&mut self, now: Moment) -> Completion {
        let Some(once_until) = self.once_until else { return Completion::NotAsked };
        if let Some(reason) = self.lost.or_else(|| self.ended_by_clock(now)) {
            return Completion::Lost(reason);
        }
        self.keep_until = self.keep_until.max(once_until);
        self.done = true;
        Completion::Done
    }

    /// Where requests are that may still take effect.
    pub(super) fn doubt(&self) -> Doubt {
        self.in_doubt.as_ref().map_or(Doubt::Nowhere, |requests| requests.doubt())
    }

    /// The queue entry that such a request may put back.
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.in_doubt.as_ref()?.entry.as_ref()
    }

    /// The request that was sent at `sent` was answered, so its effect is known; the lease is held either way.
    pub(super) fn ask_answered(&mut self, sent: Moment) {
        self.in_doubt.take_if(|requests| {
            requests.unanswered.take_if(|(asked, _)| *asked == sent);
            requests.doubt() == Doubt::Nowhere
        });
    }

    /// No step of the body may start from this instant on.
    pub(super) fn until(&self) -> Moment {
        self.deadline.min(self.hold_until)
    }

    /// About when the key expires, unless it is renewed: what its deadline left of the ttl is added again.
    pub(super) fn expires_at(&self) -> Moment {
        self.deadline + self.ttl.saturating_sub(usable(self.ttl))
    }

    /// Whether the clock has ended the lease, and for what reason.
    pub(super) fn ended_by_clock(&self, now: Moment) -> Option<LossReason> {
        (now + WAKE_LEAD >= self.until()).then_some(if self.hold_until <= self.deadline {
            LossReason::MaxHold
        } else {
            LossReason::Expired
        })
    }

    /// The next moment at which the clock changes anything here.
    pub(super) fn due(&self) -> Moment {
        if self.lost.is_some() {
            return Moment::MAX;
        }
        let over = self.until() - WAKE_LEAD;
        if !self.is_kept_alive() {
            return if planted(Mutant::UnseenGrantKept) { over } else { over.min(self.look_by) };
        }
        let over = over.min(self.waiting.as_ref().map_or(Moment::MAX, |waiting| waiting.give_up_at));
        let manual = self.manual.as_ref().map_or(Moment::MAX, |renewals| renewals.due());
        // While renewals are tried, there is a moment soon enough anyway.
        let half = if self.schedule.is_parked() { self.half_at() } else { Moment::MAX };
        over.min(self.schedule.due()).min(manual).min(half)
    }

    /// When half of the ttl has passed without a renewal, which is told of once. A first lease is renewed or lost too
    /// soon for that.
    fn half_at(&self) -> Moment {
        let is_told_of = self.told_of_half || self.first_lease || !self.is_claimed() || !self.schedule.is_automatic();
        if is_told_of { Moment::MAX } else { self.expires_at() - self.ttl / 2 }
    }

    /// Whether half of the ttl has passed without a renewal; said once.
    pub(super) fn is_half_over(&mut self, now: Moment) -> bool {
        let is_half_over = self.half_at() <= now;
        self.told_of_half |= is_half_over;
        is_half_over
    }

    /// Whether its task is to show that it is polled, which it is asked about once a ttl.
    pub(super) fn asks_for_a_poll(&mut self, now: Moment) -> bool {
        let is_due = self.look_by == Moment::MAX || self.look_by <= now;
        if is_due {
            self.look_by = now + self.ttl;
        }
        is_due
    }

    /// The keeper has a session again.
    pub(super) fn unpark(&mut self, now: Moment) {
        if self.schedule.is_parked() && self.needs_renewal() {
            self.schedule.renew_now(now);
        }
    }

    /// A grant that its task has not seen is not renewed.
    pub(super) fn is_kept_alive(&self) -> bool {
        self.is_claimed() || !self.ready
    }

    /// Whether anything still needs a renewal.
    pub(super) fn needs_renewal(&self) -> bool {
        self.schedule.is_automatic() || self.has_manual_renewal() || !self.ready
    }

    /// Whether a task awaits a manual renewal.
    pub(super) fn has_manual_renewal(&self) -> bool {
        self.manual.as_ref().is_some_and(|renewals| renewals.longest().is_some())
    }

    /// The ttl of the next renewal.
    pub(super) fn next_ttl(&self) -> Duration {
        self.ttl.max(self.manual.as_ref().and_then(|renewals| renewals.longest()).unwrap_or_default())
    }

    /// A renewal that was sent at `sent` with this ttl was confirmed.
    pub(super) fn renewed(&mut self, sent: Moment, ttl: Duration) {
        self.first_lease = false;
        self.deadline = self.deadline.max(deadline(sent, ttl));
    }

    /// It counts as shared from now on, and is renewed by a downgrade until one was confirmed.
    pub(super) fn downgrade(&mut self, now: Moment) {
        // A success is kept of an exclusive lease alone.
        self.once_until = None;
        if self.kind == Kind::Exclusive && self.downgrade.is_none() {
            self.downgrade = Some(Box::new(Downgrading { since: now, is_confirmed: false }));
            if !planted(Mutant::SharedFromReply) {
                self.kind = Kind::Shared;
            }
        }
    }

    pub(super) fn is_to_be_downgraded(&self) -> bool {
        self.downgrade.as_ref().is_some_and(|downgrade| !downgrade.is_confirmed)
    }

    /// What the answer to a renewal that was sent at `sent` means. One that was sent as an exclusive lease's may come to
    /// the store behind the downgrade, and is not ours there.
    pub(super) fn answered(
        &mut self,
        sent: Moment,
        answer: Result<Renewed, StoreError>,
    ) -> Result<Renewed, StoreError> {
        match (&mut self.downgrade, answer) {
            (Some(downgrade), Ok(Renewed::NotOurs)) if sent < downgrade.since => Err(StoreError::no_answer()),
            (Some(downgrade), Ok(Renewed::Renewed)) if downgrade.since <= sent => {
                downgrade.is_confirmed = true;
                self.kind = Kind::Shared;
                Ok(Renewed::Renewed)
            }
            (_, answer) => answer,
        }
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        self.downgrade.iter_mut().for_each(|downgrade| names.moment(&mut downgrade.since));
        self.fences.show_names(names);
        for moment in [
            &mut self.local_run_since,
            &mut self.deadline,
            &mut self.hold_until,
            &mut self.keep_until,
            &mut self.look_by,
        ] {
            names.moment(moment);
        }
        self.once_until.iter_mut().for_each(|until| names.moment(until));
        self.schedule.show_names(names);
        self.in_doubt.iter_mut().for_each(|requests| requests.show_names(names));
        self.waiting.iter_mut().for_each(|waiting| waiting.show_names(names));
        self.manual.iter_mut().for_each(|renewals| renewals.show_names(names));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn held(max_hold: Option<Duration>) -> Held {
        let terms = Terms {
            kind: Kind::Exclusive,
            ttl: Duration::from_secs(1),
            wait: crate::lease::Wait::Forever,
            renew: true,
            max_hold,
            min_hold: None,
            once: None,
        };
        let granted = Granted { fences: Fences::block(1, 1), from: at(0), by: By::Answer };
        let mut held = Held::new(at(0), granted, &terms, Rhythm(7));
        held.schedule = Schedule::never();
        held
    }

    #[test]
    fn the_clock_ends_a_lease_just_before_its_deadline() {
        let held = Held { deadline: at(900), ..held(None) };
        assert_eq!(held.ended_by_clock(at(897)), None);
        assert_eq!(held.ended_by_clock(at(898)), Some(LossReason::Expired));
        assert_eq!(held.due(), at(898));
    }

    #[test]
    fn half_a_ttl_without_a_renewal_is_told_of_once() {
        let (renewed, ttl) = (held(None), Duration::from_secs(1));
        let mut held = Held { schedule: Schedule::start(at(0), ttl, Rhythm(7)), ..renewed.clone() };
        held.schedule.park();
        assert_eq!(held.due(), at(500));
        assert!(!held.is_half_over(at(499)) && held.is_half_over(at(500)) && !held.is_half_over(at(501)));
        held.renewed(at(600), ttl);
        assert!(!held.is_half_over(at(1200)), "once for each lease");
        assert!(!Held { ..renewed }.is_half_over(at(900)), "nobody expects a renewal");
    }

    #[test]
    fn a_task_is_asked_to_show_itself_once_a_ttl() {
        let mut held = held(None);
        let asked = (300..=3000).step_by(300).filter(|ms| held.asks_for_a_poll(at(*ms)));
        assert_eq!(asked.collect::<Vec<u64>>(), [300, 1500, 2700]);
    }

    #[test]
    fn max_hold_ends_a_lease_whatever_was_renewed() {
        let mut held = held(Some(Duration::from_millis(1500)));
        held.renewed(at(1000), Duration::from_secs(1));
        assert_eq!(held.until(), at(1500));
        assert_eq!(held.ended_by_clock(at(1499)), Some(LossReason::MaxHold));
    }

    #[test]
    fn a_late_or_shorter_renewal_never_lowers_the_deadline() {
        let mut held = Held { deadline: at(900), ..held(None) };
        held.renewed(at(0), Duration::from_millis(100));
        assert_eq!(held.deadline, at(900));
    }
}
