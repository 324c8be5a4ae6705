//! Deadlines, by place: each place is filed under one moment, and those of one moment stand in a row.
//!
//! Very many leases are renewed at few moments, so that filing one costs no search among all of them. A moment that is
//! put off, as most are again and again, need not be filed anew: who finds the place too early does that.

use std::collections::BTreeMap;

use crate::store::Moment;

const NOBODY: u32 = u32::MAX;
/// How many places are remembered when nothing is filed.
const KEPT: usize = 1024;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct TimerQueue {
    rows: BTreeMap<Moment, Row>,
    /// By place.
    links: Vec<Link>,
}

#[derive(Debug, Clone)]
struct Row {
    first: u32,
    last: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// [`Moment::MAX`] if it is not filed.
    at: Moment,
    before: u32,
    behind: u32,
}

impl TimerQueue {
    /// Files a place under this moment alone; under none if that is [`Moment::MAX`].
    pub(super) fn file(&mut self, place: u32, at: Moment) {
        let old = self.filed(place);
        if old == at {
            return;
        }
        if old != Moment::MAX {
            self.take_out(place);
        }
        if at != Moment::MAX {
            self.put_in(place, at);
        }
    }

    /// Files a place under this moment, unless it is found before that anyway.
    pub(super) fn file_no_later(&mut self, place: u32, at: Moment) {
        if at < self.filed(place) {
            self.file(place, at);
        }
    }

    /// Under which moment a place is filed.
    pub(super) fn filed(&self, place: u32) -> Moment {
        self.links.get(place as usize).map_or(Moment::MAX, |link| link.at)
    }

    /// The first moment from this one on under which anybody is filed.
    pub(super) fn first_from(&self, from: Moment) -> Option<Moment> {
        self.rows.range(from..).next().map(|(&at, _)| at)
    }

    /// The first moment of all, and who was filed under it first.
    pub(super) fn first(&self) -> Option<(Moment, u32)> {
        self.rows.first_key_value().map(|(&at, row)| (at, row.first))
    }

    /// Who is filed under this moment, in the order in which they were.
    pub(super) fn row(&self, at: Moment) -> impl Iterator<Item = u32> {
        let mut next = self.rows.get(&at).map_or(NOBODY, |row| row.first);
        std::iter::from_fn(move || {
            let place = Some(next).filter(|&next| next != NOBODY)?;
            next = self.links[place as usize].behind;
            Some(place)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.keys().map(|&at| self.row(at).count()).sum()
    }

    fn put_in(&mut self, place: u32, at: Moment) {
        let nowhere = Link { at: Moment::MAX, before: NOBODY, behind: NOBODY };
        if self.links.len() <= place as usize {
            self.links.resize(place as usize + 1, nowhere);
        }
        let row = self.rows.entry(at).or_insert(Row { first: place, last: NOBODY });
        let before = std::mem::replace(&mut row.last, place);
        self.links[place as usize] = Link { at, before, behind: NOBODY };
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = place;
        }
    }

    fn take_out(&mut self, place: u32) {
        let Link { at, before, behind } = self.links[place as usize];
        self.links[place as usize].at = Moment::MAX;
        if before == NOBODY && behind == NOBODY {
            self.rows.remove(&at);
            if self.rows.is_empty() && self.links.len() > KEPT {
                self.links = Vec::new();
            }
            return;
        }
        match self.links.get_mut(before as usize) {
            Some(link) => link.behind = behind,
            None => self.change(at, |row| row.first = behind),
        }
        match self.links.get_mut(behind as usize) {
            Some(link) => link.before = before,
            None => self.change(at, |row| row.last = before),
        }
    }

    fn change(&mut self, at: Moment, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(&at) {
            change(row);
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
            all.extend(timers.row(at).map(|place| (at, place)));
            from = Moment::from_nanos(at.nanos() + 1);
        }
        all
    }

    #[test]
    fn a_row_keeps_the_order_in_which_it_was_filed() {
        let (mut timers, at) = (TimerQueue::default(), Moment::from_nanos(7));
        for place in [3, 1, 2, 0] {
            timers.file(place, at);
        }
        timers.file(1, Moment::MAX);
        assert!(timers.row(at).eq([3, 2, 0]));
    }

    #[test]
    fn places_are_forgotten_when_nobody_is_filed() {
        let mut timers = TimerQueue::default();
        timers.file(100_000, Moment::MIN);
        timers.file(100_000, Moment::MAX);
        assert!(timers.is_empty() && timers.links.is_empty());
    }

    #[test]
    fn what_is_put_off_stays_where_it_is_found_too_early() {
        let mut timers = TimerQueue::default();
        let [soon, late] = [7, 9].map(Moment::from_nanos);
        timers.file_no_later(3, late);
        timers.file_no_later(3, soon);
        timers.file_no_later(3, late);
        timers.file_no_later(3, Moment::MAX);
        assert_eq!((timers.first(), timers.filed(3)), (Some((soon, 3)), soon));
    }

    proptest! {
        #[test]
        fn each_place_stands_under_its_moment_and_no_other(filings in prop::collection::vec((0_u32..8, 0_u64..6), 0..100)) {
            let (mut timers, mut expected) = (TimerQueue::default(), BTreeSet::new());
            for (place, at) in filings {
                let at = if at == 5 { Moment::MAX } else { Moment::from_nanos(at) };
                expected.remove(&(timers.filed(place), place));
                timers.file(place, at);
                if at != Moment::MAX {
                    expected.insert((at, place));
                }
                prop_assert!(all(&timers).into_iter().collect::<BTreeSet<_>>() == expected);
                prop_assert_eq!(all(&timers).len(), expected.len());
            }
        }
    }
}
