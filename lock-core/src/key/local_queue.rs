//! The calls of one process that wait for a key behind the one that asks or holds.
//!
//! Must stay true: they are served in order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::Number;
use super::names::CallNames;
use super::waiting::Waiting;
use crate::store::{Kind, Moment, Token};

/// A call without a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Waiter<C> {
    pub(super) number: Number,
    pub(super) caller: C,
    pub(super) token: Token,
    pub(super) waiting: Box<Waiting>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LocalQueue<C> {
    waiting: BTreeMap<Number, Waiter<C>>,
    /// Waiters whose time is over, and who stay only until it is known whether the key is held.
    timed_out: BTreeMap<Number, Waiter<C>>,
    /// When the clock next changes something for each waiter, if ever.
    dues: BTreeSet<(Moment, Number)>,
}

impl<C> Default for LocalQueue<C> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), timed_out: BTreeMap::new(), dues: BTreeSet::new() }
    }
}

/// A waiter whose time to wait is over, or that gives up.
pub(super) enum Due<C> {
    WaitOver(Waiter<C>),
    GiveUp(Waiter<C>),
}

impl<C> LocalQueue<C> {
    /// Inserts a waiter in order. One whose time to wait is over stays only until it is known whether the key is held.
    pub(super) fn insert(&mut self, now: Moment, waiter: Waiter<C>) {
        let (number, Waiting { wait_until, give_up_at, .. }) = (waiter.number, &*waiter.waiting);
        let is_timed_out = *wait_until <= now;
        let due = if is_timed_out { *give_up_at } else { *wait_until };
        if due != Moment::MAX {
            self.dues.insert((due, number));
        }
        if is_timed_out { &mut self.timed_out } else { &mut self.waiting }.insert(number, waiter);
    }

    /// The first waiter that still has time to wait.
    pub(super) fn next(&self) -> Option<&Waiter<C>> {
        self.waiting.values().next()
    }

    /// Takes out the first waiter that still has time to wait.
    pub(super) fn take_next(&mut self) -> Option<Waiter<C>> {
        let number = *self.waiting.keys().next()?;
        self.remove(number)
    }

    /// The first waiter of all.
    pub(super) fn first(&self) -> Option<&Waiter<C>> {
        let (waiting, timed_out) = (self.waiting.first_key_value(), self.timed_out.first_key_value());
        waiting.into_iter().chain(timed_out).min_by_key(|(number, _)| **number).map(|(_, waiter)| waiter)
    }

    /// Takes out the first waiter of all.
    pub(super) fn take_first(&mut self) -> Option<Waiter<C>> {
        let number = self.first()?.number;
        self.remove(number)
    }

    /// Takes out a waiter.
    pub(super) fn remove(&mut self, number: Number) -> Option<Waiter<C>> {
        let (waiter, due) = if let Some(waiter) = self.waiting.remove(&number) {
            let due = waiter.waiting.wait_until;
            (waiter, due)
        } else {
            let waiter = self.timed_out.remove(&number)?;
            let due = waiter.waiting.give_up_at;
            (waiter, due)
        };
        if due != Moment::MAX {
            self.dues.remove(&(due, number));
        }
        Some(waiter)
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Waiter<C>> {
        self.waiting.get_mut(&number).or_else(|| self.timed_out.get_mut(&number))
    }

    /// Takes out waiters whose time is over and who arrived by then, of such kinds: the key that they waited for is
    /// held.
    pub(super) fn take_timed_out(&mut self, by: Moment, is_such: impl Fn(Kind) -> bool) -> Vec<Waiter<C>> {
        let answered = |waiter: &&Waiter<C>| waiter.waiting.arrived <= by && is_such(waiter.waiting.terms.kind);
        let answered: Vec<Number> = self.timed_out.values().filter(answered).map(|waiter| waiter.number).collect();
        answered.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// Takes out all waiters.
    pub(super) fn take_all(&mut self) -> Vec<Waiter<C>> {
        std::iter::from_fn(|| self.take_first()).collect()
    }

    /// The next moment at which the clock changes anything for any of them.
    pub(super) fn due(&self) -> Moment {
        self.dues.first().map_or(Moment::MAX, |&(due, _)| due)
    }

    /// Takes out the next waiter for which a deadline has passed.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Due<C>> {
        let &(_, number) = self.dues.first().filter(|&&(due, _)| due <= now)?;
        let had_timed_out = self.timed_out.contains_key(&number);
        let waiter = self.remove(number)?;
        Some(if had_timed_out { Due::GiveUp(waiter) } else { Due::WaitOver(waiter) })
    }

    /// How many waiters still have time to wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.timed_out.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter<C>> {
        self.waiting.values().chain(self.timed_out.values())
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        for queue in [&mut self.waiting, &mut self.timed_out] {
            let renamed = std::mem::take(queue).into_values().map(|mut waiter| {
                waiter.show_names(names);
                (waiter.number, waiter)
            });
            *queue = renamed.collect();
        }
        let renamed = std::mem::take(&mut self.dues).into_iter().map(|(mut due, mut number)| {
            names.moment(&mut due);
            names.number(&mut number);
            (due, number)
        });
        self.dues = renamed.collect();
    }
}

impl<C> Waiter<C> {
    /// Goes on with a new token; its place in the store's queue is kept.
    pub(super) fn start_over(&mut self, now: Moment) {
        self.token = self.waiting.next_token();
        self.waiting.start_over(now);
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        names.number(&mut self.number);
        names.token(&mut self.token);
        self.waiting.show_names(names);
    }
}
