//! Renewals by hand: what each of them waits for, and what becomes of it.
//!
//! A lease may have several at once, each asked for by a task of its own. Must stay true: each has an outcome of its own;
//! only a renewal that was sent after it was asked for, and for at least its ttl, satisfies it; the ttl that was asked
//! for last is the one that stands.

use std::time::Duration;

use super::waiting::no_answer;
use super::{Core, Stage, TicketId};
use crate::store::LossReason;
use crate::store::Moment;
use crate::store::StoreError;

/// One renewal by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManualRenewalId(u64);

/// What the task that renews by hand does now.
#[derive(Debug)]
pub enum ByHandStep {
    /// Stand by until woken.
    Stand,
    Renewed,
    Failed(StoreError),
    Lost(LossReason),
}

/// The renewals by hand of one lease whose tasks have yet to hear what became of them.
#[derive(Debug, Default)]
pub struct ManualRenewals(Vec<ManualRenewal>);

#[derive(Debug)]
struct ManualRenewal {
    id: ManualRenewalId,
    ttl: Duration,
    /// Only a renewal that was sent from then on satisfies it.
    since: Moment,
    until: Moment,
    trouble: Option<StoreError>,
    outcome: Option<Result<(), StoreError>>,
}

impl ManualRenewals {
    /// Until when the first of those that have no outcome yet waits.
    pub fn due(&self) -> Moment {
        self.pending().map(|renewal| renewal.until).min().unwrap_or(Moment::MAX)
    }

    /// The longest ttl that somebody still waits for.
    pub fn longest(&self) -> Option<Duration> {
        self.pending().map(|renewal| renewal.ttl).max()
    }

    /// A renewal that was sent at `sent` for this ttl was confirmed; whether that is news to anybody.
    pub fn confirmed(&mut self, sent: Moment, ttl: Duration) -> bool {
        self.settle(|renewal| (renewal.since <= sent && renewal.ttl <= ttl).then_some(Ok(())))
    }

    /// A renewal failed; whether they fail with it.
    pub fn failed(&mut self, error: &StoreError, for_good: bool) -> bool {
        self.settle(|renewal| {
            renewal.trouble = Some(error.clone());
            for_good.then(|| Err(error.clone()))
        })
    }

    /// The time of some may be over; whether it is.
    pub fn give_up(&mut self, now: Moment) -> bool {
        self.settle(|renewal| (renewal.until <= now).then(|| Err(renewal.trouble.take().unwrap_or_else(no_answer))))
    }

    fn pending(&self) -> impl Iterator<Item = &ManualRenewal> {
        self.0.iter().filter(|renewal| renewal.outcome.is_none())
    }

    fn settle(&mut self, outcome: impl Fn(&mut ManualRenewal) -> Option<Result<(), StoreError>>) -> bool {
        let mut is_news = false;
        for renewal in self.0.iter_mut().filter(|renewal| renewal.outcome.is_none()) {
            renewal.outcome = outcome(renewal);
            is_news |= renewal.outcome.is_some();
        }
        is_news
    }

    fn take(&mut self, id: ManualRenewalId) -> Option<ManualRenewal> {
        let at = self.0.iter().position(|renewal| renewal.id == id)?;
        Some(self.0.swap_remove(at))
    }
}

impl<S: Clone> Core<S> {
    /// A task asks for a renewal now, and for this ttl from now on.
    pub fn renew_by_hand(&mut self, now: Moment, id: TicketId, ttl: Duration) -> ManualRenewalId {
        let until = now + self.settings.operation_timeout;
        self.manual_renewals += 1;
        let renewal = ManualRenewalId(self.manual_renewals);
        if let Some(Stage::Held(held)) = self.stage_mut(id)
            && held.lost.is_none()
        {
            held.ttl = ttl;
            let renewal = ManualRenewal { id: renewal, ttl, since: now, until, trouble: None, outcome: None };
            held.manual.get_or_insert_default().0.push(renewal);
            held.schedule.hurry(now);
            self.file(id);
        }
        renewal
    }

    /// What has become of it.
    pub fn by_hand_next(&mut self, id: TicketId, renewal: ManualRenewalId) -> ByHandStep {
        let Some(Stage::Held(held)) = self.stage_mut(id) else { return ByHandStep::Lost(LossReason::Expired) };
        if let Some(reason) = held.lost {
            return ByHandStep::Lost(reason);
        }
        let Some(renewals) = &mut held.manual else { return ByHandStep::Stand };
        if renewals.pending().any(|pending| pending.id == renewal) {
            return ByHandStep::Stand;
        }
        let outcome = renewals.take(renewal).and_then(|renewal| renewal.outcome);
        held.manual.take_if(|renewals| renewals.0.is_empty());
        match outcome {
            None => ByHandStep::Stand,
            Some(Ok(())) => ByHandStep::Renewed,
            Some(Err(error)) => ByHandStep::Failed(error),
        }
    }

    /// The task that asked for it waits no more.
    pub fn by_hand_left(&mut self, id: TicketId, renewal: ManualRenewalId) {
        if let Some(Stage::Held(held)) = self.stage_mut(id)
            && let Some(renewals) = &mut held.manual
        {
            renewals.take(renewal);
            held.manual.take_if(|renewals| renewals.0.is_empty());
            self.file(id);
        }
    }

    /// Tells those who renew by hand what a change of the lease means to them.
    pub(super) fn tell_by_hand(&mut self, id: TicketId, change: impl FnOnce(&mut ManualRenewals) -> bool) {
        if let Some(Stage::Held(held)) = self.stage_mut(id)
            && let Some(renewals) = &mut held.manual
            && change(renewals)
        {
            self.wake(id);
        }
    }
}
