//! How many calls of a key are where.

use super::calls::{Active, Calls};

/// The counts that a client keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Census {
    /// Leases that are held.
    pub held: usize,
    /// Calls that wait, or were refused and do not know it yet.
    pub waiting: usize,
    /// Waiters that are in the store's queue, or may be.
    pub queued: usize,
    /// Releases of grants that no call here waited for.
    pub unsolicited: usize,
    /// Leases whose body or guard still exists, and releases that are not confirmed.
    pub unfinished: usize,
}

impl Census {
    /// The counts over all keys after those of one key have changed from `before` to `after`.
    #[must_use]
    pub fn changed(self, before: Self, after: Self) -> Self {
        let changed = |all: usize, before: usize, after: usize| all + after - before;
        Self {
            held: changed(self.held, before.held, after.held),
            waiting: changed(self.waiting, before.waiting, after.waiting),
            queued: changed(self.queued, before.queued, after.queued),
            unsolicited: changed(self.unsolicited, before.unsolicited, after.unsolicited),
            unfinished: changed(self.unfinished, before.unfinished, after.unfinished),
        }
    }
}

/// The counts of one key.
pub(super) fn of<C>(calls: &Calls<C>) -> Census {
    let (held, asks, queued) = match &calls.active {
        Active::Nobody => (0, 0, 0),
        Active::Waiter(waiter) => (0, 1, usize::from(waiter.waiting.entry.is_some())),
        Active::Holder(_) => (1, 0, 0),
    };
    let Some(others) = calls.others() else {
        return Census { held, waiting: asks, queued, unsolicited: 0, unfinished: held };
    };
    let held = held + others.beside.len();
    let over = others.releases.iter().filter(|releasing| releasing.is_finished()).count();
    Census {
        held,
        waiting: asks + others.queue.len() + others.refused.len() + others.passed_over.len(),
        queued,
        unsolicited: others.releases.iter().filter(|releasing| releasing.is_unsolicited()).count(),
        unfinished: held + others.lost.len() + others.releases.len() - over,
    }
}
