//! The calls of one process that wait for a key behind the one that asks or holds.
//!
//! Must stay true: they are served in the order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::Number;
use super::waiting::Waiting;
use crate::store::{Moment, Token};

/// A call that has no grant yet.
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
    /// Those whose time to wait is over, and who have yet to hear whether the key is free.
    timed_out: BTreeMap<Number, Waiter<C>>,
    /// When the clock next concerns each of them, if it ever does.
    dues: BTreeSet<(Moment, Number)>,
}

impl<C> Default for LocalQueue<C> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), timed_out: BTreeMap::new(), dues: BTreeSet::new() }
    }
}

/// One whose time to wait is over, or all of its time.
pub(super) enum Due<C> {
    ToWait(Waiter<C>),
    Altogether(Waiter<C>),
}

impl<C> LocalQueue<C> {
    /// Puts it into its place. One whose time to wait is over stays only to hear whether the key is free.
    pub(super) fn insert(&mut self, now: Moment, waiter: Waiter<C>) {
        let (number, Waiting { busy_from, time_up, .. }) = (waiter.number, &*waiter.waiting);
        let is_timed_out = *busy_from <= now;
        let due = if is_timed_out { *time_up } else { *busy_from };
        if due != Moment::MAX {
            self.dues.insert((due, number));
        }
        if is_timed_out { &mut self.timed_out } else { &mut self.waiting }.insert(number, waiter);
    }

    /// Who has waited longest, of those whose time to wait is not over.
    pub(super) fn next(&self) -> Option<&Waiter<C>> {
        self.waiting.values().next()
    }

    /// Takes out who has waited longest, of those whose time to wait is not over.
    pub(super) fn take_next(&mut self) -> Option<Waiter<C>> {
        let number = *self.waiting.keys().next()?;
        self.remove(number)
    }

    /// Takes out who came first of all.
    pub(super) fn take_first(&mut self) -> Option<Waiter<C>> {
        let first = |queue: &BTreeMap<Number, _>| queue.keys().next().copied();
        let number = first(&self.waiting).into_iter().chain(first(&self.timed_out)).min()?;
        self.remove(number)
    }

    /// Takes it out, wherever it stands.
    pub(super) fn remove(&mut self, number: Number) -> Option<Waiter<C>> {
        let (waiter, due) = if let Some(waiter) = self.waiting.remove(&number) {
            let due = waiter.waiting.busy_from;
            (waiter, due)
        } else {
            let waiter = self.timed_out.remove(&number)?;
            let due = waiter.waiting.time_up;
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

    /// Takes out those whose time to wait is over and who came by then: they have waited for a key that is held.
    pub(super) fn take_timed_out(&mut self, by: Moment) -> Vec<Waiter<C>> {
        let heard = |waiter: &&Waiter<C>| waiter.waiting.arrived <= by;
        let heard: Vec<Number> = self.timed_out.values().filter(heard).map(|waiter| waiter.number).collect();
        heard.into_iter().filter_map(|number| self.remove(number)).collect()
    }

    /// Takes out all.
    pub(super) fn take_all(&mut self) -> Vec<Waiter<C>> {
        std::iter::from_fn(|| self.take_first()).collect()
    }

    /// When the clock may next have something to say about any of them.
    pub(super) fn due(&self) -> Moment {
        self.dues.first().map_or(Moment::MAX, |&(due, _)| due)
    }

    /// Takes out the next whose time is over by now.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Due<C>> {
        let &(_, number) = self.dues.first().filter(|&&(due, _)| due <= now)?;
        let had_timed_out = self.timed_out.contains_key(&number);
        let waiter = self.remove(number)?;
        Some(if had_timed_out { Due::Altogether(waiter) } else { Due::ToWait(waiter) })
    }

    /// How many wait whose time is not over.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.timed_out.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter<C>> {
        self.waiting.values().chain(self.timed_out.values())
    }
}
