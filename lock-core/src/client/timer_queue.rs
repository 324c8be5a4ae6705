//! Deadlines, by slot: each slot is scheduled at one moment, and the slots of one moment form a list.
//!
//! Very many leases are renewed at few moments, so scheduling one costs no search among all of them. A deadline that
//! moves later, as most do again and again, is not scheduled anew: whoever finds the slot too early does that.

use std::collections::BTreeMap;

use crate::store::Moment;

const NONE: u32 = u32::MAX;
/// How many links are kept when nothing is scheduled.
const LINKS_KEPT: usize = 1024;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct TimerQueue {
    lists: BTreeMap<Moment, List>,
    /// By slot.
    links: Vec<Link>,
}

#[derive(Debug, Clone)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// [`Moment::MAX`] if it is not scheduled.
    at: Moment,
    prev: u32,
    next: u32,
}

impl TimerQueue {
    /// Schedules a slot at this moment only; removes it if that is [`Moment::MAX`].
    pub(super) fn schedule(&mut self, slot: u32, at: Moment) {
        let old = self.scheduled_at(slot);
        if old == at {
            return;
        }
        if old != Moment::MAX {
            self.unlink(slot);
        }
        if at != Moment::MAX {
            self.link(slot, at);
        }
    }

    /// Schedules a slot at this moment, unless it is scheduled earlier.
    pub(super) fn schedule_no_later(&mut self, slot: u32, at: Moment) {
        if at < self.scheduled_at(slot) {
            self.schedule(slot, at);
        }
    }

    /// When a slot is scheduled.
    pub(super) fn scheduled_at(&self, slot: u32) -> Moment {
        self.links.get(slot as usize).map_or(Moment::MAX, |link| link.at)
    }

    /// The first moment from this one on at which anything is scheduled.
    pub(super) fn first_from(&self, from: Moment) -> Option<Moment> {
        self.lists.range(from..).next().map(|(&at, _)| at)
    }

    /// The first moment of all, and the slot that was scheduled there first.
    pub(super) fn first(&self) -> Option<(Moment, u32)> {
        self.lists.first_key_value().map(|(&at, list)| (at, list.first))
    }

    /// The slots at this moment, in the order in which they were scheduled.
    pub(super) fn at(&self, at: Moment) -> impl Iterator<Item = u32> {
        let mut next = self.lists.get(&at).map_or(NONE, |list| list.first);
        std::iter::from_fn(move || {
            let slot = Some(next).filter(|&next| next != NONE)?;
            next = self.links[slot as usize].next;
            Some(slot)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.lists.keys().map(|&at| self.at(at).count()).sum()
    }

    fn link(&mut self, slot: u32, at: Moment) {
        let unlinked = Link { at: Moment::MAX, prev: NONE, next: NONE };
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, unlinked);
        }
        let list = self.lists.entry(at).or_insert(List { first: slot, last: NONE });
        let prev = std::mem::replace(&mut list.last, slot);
        self.links[slot as usize] = Link { at, prev, next: NONE };
        if let Some(link) = self.links.get_mut(prev as usize) {
            link.next = slot;
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Link { at, prev, next } = self.links[slot as usize];
        self.links[slot as usize].at = Moment::MAX;
        if prev == NONE && next == NONE {
            self.lists.remove(&at);
            if self.lists.is_empty() && self.links.len() > LINKS_KEPT {
                self.links = Vec::new();
            }
            return;
        }
        match self.links.get_mut(prev as usize) {
            Some(link) => link.next = next,
            None => self.change(at, |list| list.first = next),
        }
        match self.links.get_mut(next as usize) {
            Some(link) => link.prev = prev,
            None => self.change(at, |list| list.last = prev),
        }
    }

    fn change(&mut self, at: Moment, change: impl FnOnce(&mut List)) {
        if let Some(list) = self.lists.get_mut(&at) {
            change(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn all(timers: &TimerQueue) -> Vec<(Moment, u32)> {
        let mut all = Vec::new();
        let mut from = Moment::MIN;
        while let Some(at) = timers.first_from(from) {
            all.extend(timers.at(at).map(|slot| (at, slot)));
            from = Moment::from_nanos(at.nanos() + 1);
        }
        all
    }

    #[test]
    fn a_list_keeps_the_order_of_scheduling() {
        let (mut timers, at) = (TimerQueue::default(), Moment::from_nanos(7));
        for slot in [3, 1, 2, 0] {
            timers.schedule(slot, at);
        }
        timers.schedule(1, Moment::MAX);
        assert!(timers.at(at).eq([3, 2, 0]));
    }

    #[test]
    fn links_are_freed_when_nothing_is_scheduled() {
        let mut timers = TimerQueue::default();
        timers.schedule(100_000, Moment::MIN);
        timers.schedule(100_000, Moment::MAX);
        assert!(timers.is_empty() && timers.links.is_empty());
    }

    #[test]
    fn a_later_deadline_does_not_move_the_slot() {
        let mut timers = TimerQueue::default();
        let [soon, late] = [7, 9].map(Moment::from_nanos);
        timers.schedule_no_later(3, late);
        timers.schedule_no_later(3, soon);
        timers.schedule_no_later(3, late);
        timers.schedule_no_later(3, Moment::MAX);
        assert_eq!((timers.first(), timers.scheduled_at(3)), (Some((soon, 3)), soon));
    }

    proptest! {
        #[test]
        fn each_slot_is_scheduled_at_its_moment_only(schedulings in prop::collection::vec((0_u32..8, 0_u64..6), 0..100)) {
            let (mut timers, mut expected) = (TimerQueue::default(), BTreeSet::new());
            for (slot, at) in schedulings {
                let at = if at == 5 { Moment::MAX } else { Moment::from_nanos(at) };
                expected.remove(&(timers.scheduled_at(slot), slot));
                timers.schedule(slot, at);
                if at != Moment::MAX {
                    expected.insert((at, slot));
                }
                prop_assert!(all(&timers).into_iter().collect::<BTreeSet<_>>() == expected);
                prop_assert_eq!(all(&timers).len(), expected.len());
            }
        }
    }
}
