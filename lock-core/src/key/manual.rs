//! Manual renewals: what each of them waits for, and its outcome.
//!
//! A lease may have several at once, each asked for by a task of its own. Must stay true: each has its own outcome; it
//! is satisfied only by a renewal that was sent after it was asked for, and for at least its ttl; the ttl that was
//! asked for last stays in effect.

use std::time::Duration;

use super::ids::Number;
use super::names::CallNames;
use crate::store::{Moment, StoreError};

/// The manual renewals of one lease whose tasks have not taken their outcome yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct ManualRenewals(Vec<ManualRenewal>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ManualRenewal {
    number: Number,
    ttl: Duration,
    /// Only a renewal that was sent from then on satisfies it.
    since: Moment,
    until: Moment,
    last_error: Option<StoreError>,
    outcome: Option<Result<(), StoreError>>,
}

impl ManualRenewals {
    /// When the first pending one times out.
    pub(super) fn due(&self) -> Moment {
        self.pending().map(|renewal| renewal.until).min().unwrap_or(Moment::MAX)
    }

    /// The longest ttl that is still awaited.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.pending().map(|renewal| renewal.ttl).max()
    }

    /// A renewal that was sent at `sent` for this ttl was confirmed; returns whether that settled any.
    pub(super) fn confirmed(&mut self, sent: Moment, ttl: Duration) -> bool {
        self.settle(|renewal| (renewal.since <= sent && renewal.ttl <= ttl).then_some(Ok(())))
    }

    /// A renewal failed; if for good, so do they. Returns whether that settled any.
    pub(super) fn failed(&mut self, error: &StoreError, for_good: bool) -> bool {
        self.settle(|renewal| {
            renewal.last_error = Some(error.clone());
            for_good.then(|| Err(error.clone()))
        })
    }

    /// Fails those that have timed out; returns whether there were any.
    pub(super) fn give_up(&mut self, now: Moment) -> bool {
        self.settle(|renewal| {
            (renewal.until <= now).then(|| Err(renewal.last_error.take().unwrap_or_else(StoreError::no_answer)))
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

    /// A task asks for a renewal now, and awaits it until then.
    pub(super) fn ask(&mut self, now: Moment, number: Number, ttl: Duration, until: Moment) {
        self.0.push(ManualRenewal { number, ttl, since: now, until, last_error: None, outcome: None });
    }

    /// Whether this one has no outcome yet.
    pub(super) fn awaits(&self, number: Number) -> bool {
        self.pending().any(|pending| pending.number == number)
    }

    /// Forgets this one; returns its outcome, if it has one.
    pub(super) fn take(&mut self, number: Number) -> Option<Result<(), StoreError>> {
        let at = self.0.iter().position(|renewal| renewal.number == number)?;
        self.0.swap_remove(at).outcome
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        for ManualRenewal { number, since, until, .. } in &mut self.0 {
            names.number(number);
            names.moment(since);
            names.moment(until);
        }
    }
}
