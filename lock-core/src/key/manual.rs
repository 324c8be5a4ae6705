//! Renewals by hand: what each of them waits for, and what becomes of it.
//!
//! A lease may have several at once, each asked for by a task of its own. Must stay true: each has an outcome of its own;
//! only a renewal that was sent after it was asked for, and for at least its ttl, satisfies it; the ttl that was asked
//! for last is the one that stands.

use std::time::Duration;

use super::ids::Number;
use crate::store::{Moment, StoreError};

/// The renewals by hand of one lease whose tasks have yet to hear what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct ManualRenewals(Vec<ManualRenewal>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ManualRenewal {
    number: Number,
    ttl: Duration,
    /// Only a renewal that was sent from then on satisfies it.
    since: Moment,
    until: Moment,
    trouble: Option<StoreError>,
    outcome: Option<Result<(), StoreError>>,
}

impl ManualRenewals {
    /// Until when the first of those that have no outcome yet waits.
    pub(super) fn due(&self) -> Moment {
        self.pending().map(|renewal| renewal.until).min().unwrap_or(Moment::MAX)
    }

    /// The longest ttl that somebody still waits for.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.pending().map(|renewal| renewal.ttl).max()
    }

    /// A renewal that was sent at `sent` for this ttl was confirmed; whether that is news to anybody.
    pub(super) fn confirmed(&mut self, sent: Moment, ttl: Duration) -> bool {
        self.settle(|renewal| (renewal.since <= sent && renewal.ttl <= ttl).then_some(Ok(())))
    }

    /// A renewal failed; whether they fail with it.
    pub(super) fn failed(&mut self, error: &StoreError, for_good: bool) -> bool {
        self.settle(|renewal| {
            renewal.trouble = Some(error.clone());
            for_good.then(|| Err(error.clone()))
        })
    }

    /// The time of some may be over; whether it is.
    pub(super) fn give_up(&mut self, now: Moment) -> bool {
        self.settle(|renewal| {
            (renewal.until <= now).then(|| Err(renewal.trouble.take().unwrap_or_else(StoreError::no_answer)))
        })
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

    /// Somebody asks for a renewal now, and waits for it until then.
    pub(super) fn ask(&mut self, now: Moment, number: Number, ttl: Duration, until: Moment) {
        self.0.push(ManualRenewal { number, ttl, since: now, until, trouble: None, outcome: None });
    }

    /// Whether this one has no outcome yet.
    pub(super) fn awaits(&self, number: Number) -> bool {
        self.pending().any(|pending| pending.number == number)
    }

    /// Forgets this one; comes back with its outcome, if it has one.
    pub(super) fn take(&mut self, number: Number) -> Option<Result<(), StoreError>> {
        let at = self.0.iter().position(|renewal| renewal.number == number)?;
        self.0.swap_remove(at).outcome
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
