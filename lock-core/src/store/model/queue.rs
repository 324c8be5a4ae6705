//! Those who wait for one key, in order.
//!
//! What must stay true: a token stands in a queue once, and keeps the place and everything else that it came with,
//! but for its mark. Absent on purpose: who is alive.

use crate::store::LONGEST_ALIVE;
use crate::store::Moment;
use crate::store::{Entry, MOST_STEPPED_OVER, Names, Token};

/// The waiters of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    /// Ordered by place, then by token; as long as there are processes that wait.
    waiters: Vec<Waiter>,
}

/// The first whose entry is known.
#[derive(Debug)]
pub(super) struct First {
    pub(super) waiter: Waiter,
    /// Where it stands.
    at: usize,
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
    /// A fence that was reserved when it came, if that fault is planted.
    pub(super) fence: Option<u64>,
}

impl Queue {
    /// Puts a token in its place, unless it stands there already; writes its mark anew in any case. The store's clock
    /// shows so many microseconds now.
    pub(super) fn enqueue(&mut self, (now, shown): (Moment, u64), token: Token, entry: &Entry, fence: Option<u64>) {
        let mark = entry.alive_for.map(|alive_for| now + alive_for.min(LONGEST_ALIVE));
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| waiter.token == token) {
            waiter.mark = mark;
            return;
        }
        // Nobody comes from the future, so that a place that another clock gave is never better than last.
        let place = entry.since.map_or(shown, |since| since.min(shown));
        let behind = self.waiters.partition_point(|waiter| (waiter.place, waiter.token) < (place, token));
        self.waiters.insert(behind, Waiter { place, token, entry: entry.clone(), mark, fence });
    }

    /// Takes a token out, with its mark.
    pub(super) fn leave(&mut self, token: Token) {
        self.waiters.retain(|waiter| waiter.token != token);
    }

    /// Whether this token stands in it.
    pub(super) fn has(&self, token: Token) -> bool {
        self.waiters.iter().any(|waiter| waiter.token == token)
    }

    /// The first whose entry is known. Those that are not stay in their places; behind very many of them, nobody is
    /// looked for.
    pub(super) fn first(&self) -> Option<First> {
        let at = self.stepped_over();
        let waiter = self.waiters.get(at).filter(|_| at < MOST_STEPPED_OVER)?.clone();
        Some(First { waiter, at })
    }

    /// How many stand before it, or in a queue without one.
    pub(super) fn stepped_over(&self) -> usize {
        self.waiters.iter().take(MOST_STEPPED_OVER).take_while(|waiter| !is_known(&waiter.entry)).count()
    }

    /// Takes that one out.
    pub(super) fn remove(&mut self, first: First) -> Waiter {
        self.waiters.remove(first.at);
        first.waiter
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
        for Waiter { place, token, entry, mark, .. } in &mut self.waiters {
            names.clock(place);
            names.token(token);
            entry.show_names(names);
            if let Some(mark) = mark {
                names.moment(mark);
            }
        }
    }
}

/// Whether what an entry asks for is known: its version is, and every kind of it.
pub(super) fn is_known(entry: &Entry) -> bool {
    entry.version == Entry::VERSION
}
