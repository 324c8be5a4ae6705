//! Those who wait for one key, in order.
//!
//! What must stay true: a token stands in a queue once, and keeps the place and everything else that it came with,
//! but for its mark. Absent on purpose: who is alive.

use crate::store::Kind;
use crate::store::LONGEST_ALIVE;
use crate::store::Moment;
use crate::store::{Entry, MOST_STEPPED_OVER, Names, Token};

/// The waiters of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    /// Ordered by place, then by token; as long as there are processes that wait.
    waiters: Vec<Waiter>,
}

/// Who has the key next.
#[derive(Debug, Default)]
pub(super) struct Next {
    pub(super) heir: Option<Waiter>,
    /// Who stood before, and is gone.
    pub(super) passed_over: Vec<Waiter>,
    /// How many stand before whose entries are of an unknown version or kind.
    pub(super) stepped_over: usize,
}

/// One who waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Waiter {
    /// The store's clock at the first enqueue, in microseconds.
    place: u64,
    pub(super) token: Token,
    /// As it was at the enqueue.
    pub(super) entry: Entry,
    /// Until when it counts as alive although nobody listens for it.
    pub(super) mark: Option<Moment>,
}

impl Queue {
    /// Puts a token in its place, unless it stands there already; writes its mark anew in any case. The store's clock
    /// shows so many microseconds now.
    pub(super) fn enqueue(&mut self, now: Moment, shown: u64, token: Token, entry: &Entry) {
        let mark = entry.alive_for.map(|alive_for| now + alive_for.min(LONGEST_ALIVE));
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| waiter.token == token) {
            waiter.mark = mark;
            return;
        }
        // Nobody comes from the future, so that a place that another clock gave is never better than last.
        let place = entry.since.map_or(shown, |since| since.min(shown));
        let behind = self.waiters.partition_point(|waiter| (waiter.place, waiter.token) < (place, token));
        self.waiters.insert(behind, Waiter { place, token, entry: entry.clone(), mark });
    }

    /// Takes a token out, with its mark.
    pub(super) fn leave(&mut self, token: Token) {
        self.waiters.retain(|waiter| waiter.token != token);
    }

    /// Takes out all who stand before the first whom `may` lets have the key, and that one. Entries that are not known
    /// stay in their places; with so many of them, nobody is looked for behind.
    pub(super) fn first(&mut self, may: impl Fn(&Waiter) -> bool) -> Next {
        let mut next = Next::default();
        let mut at = 0;
        while at < self.waiters.len() && next.stepped_over < MOST_STEPPED_OVER {
            if !is_known(&self.waiters[at].entry) {
                (at, next.stepped_over) = (at + 1, next.stepped_over + 1);
                continue;
            }
            let waiter = self.waiters.remove(at);
            if may(&waiter) {
                next.heir = Some(waiter);
                break;
            }
            next.passed_over.push(waiter);
        }
        next
    }

    /// All, in order.
    pub(super) fn waiters(&self) -> impl Iterator<Item = &Waiter> {
        self.waiters.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Until when waiters count as alive although nobody listens for them.
    pub(super) fn marks(&self) -> impl Iterator<Item = Moment> {
        self.waiters.iter().filter_map(|waiter| waiter.mark)
    }

    /// Shows its names. Whoever replaces them keeps their order.
    pub(super) fn show_names(&mut self, names: &mut impl Names) {
        for Waiter { place, token, entry, mark } in &mut self.waiters {
            names.clock(place);
            names.token(token);
            entry.show_names(names);
            if let Some(mark) = mark {
                names.moment(mark);
            }
        }
    }
}

/// Whether what an entry asks for is known: its version is, and its kind.
pub(super) fn is_known(entry: &Entry) -> bool {
    entry.version == Entry::VERSION && entry.kind == Kind::Exclusive
}
