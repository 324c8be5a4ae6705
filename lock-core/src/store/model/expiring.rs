//! Values that are each kept under a key until an instant.
//!
//! What must stay true: a key is in `values` exactly as often as in `by_expiry` (once), and what has expired is there
//! for nobody, whether it was forgotten yet or not. Each operation of the store forgets more than it can add, so that
//! memory is bounded by what has not expired. Absent on purpose: a clock.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use foldhash::{HashMap, HashMapExt as _};

use crate::store::LockKey;
use crate::store::Moment;
use crate::store::Names;

/// How much one call forgets at most; two, as an operation adds one at most.
const FORGOTTEN_AT_ONCE: usize = 2;

/// A map whose values expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expiring<V> {
    values: HashMap<LockKey, (V, Moment)>,
    by_expiry: BTreeSet<(Moment, LockKey)>,
}

impl<V> Expiring<V> {
    /// The value of a key and when it expires; at that instant it is no longer there.
    pub(super) fn get(&self, now: Moment, key: &LockKey) -> Option<(&V, Moment)> {
        let (value, expiry) = self.values.get(key)?;
        (now < *expiry).then_some((value, *expiry))
    }

    /// Gives a key a value until `expiry`, instead of the one it had.
    pub(super) fn set(&mut self, key: &LockKey, value: V, expiry: Moment) {
        self.remove(key);
        self.values.insert(key.clone(), (value, expiry));
        self.by_expiry.insert((expiry, key.clone()));
    }

    /// Takes a key's value out, with its expiry.
    pub(super) fn take(&mut self, now: Moment, key: &LockKey) -> Option<(V, Moment)> {
        self.remove(key).filter(|(_, expiry)| now < *expiry)
    }

    /// Forgets a few values that have expired.
    pub(super) fn forget_some(&mut self, now: Moment) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.by_expiry.first() {
                Some((expiry, _)) if *expiry <= now => {}
                _ => return,
            }
            if let Some((_, key)) = self.by_expiry.pop_first() {
                self.values.remove(&key);
            }
        }
    }

    /// Forgets all that has expired.
    pub(super) fn forget_all(&mut self, now: Moment) {
        while self.by_expiry.first().is_some_and(|(expiry, _)| *expiry <= now) {
            self.forget_some(now);
        }
    }

    /// Shows its names; `show` those of a value.
    pub(super) fn show_names<N: Names>(&mut self, names: &mut N, show: impl Fn(&mut V, &mut N)) {
        for (key, (value, expiry)) in &mut self.values {
            self.by_expiry.remove(&(*expiry, key.clone()));
            show(value, names);
            names.moment(expiry);
            self.by_expiry.insert((*expiry, key.clone()));
        }
    }

    fn remove(&mut self, key: &LockKey) -> Option<(V, Moment)> {
        let (key, (value, expiry)) = self.values.remove_entry(key)?;
        self.by_expiry.remove(&(expiry, key));
        Some((value, expiry))
    }

    /// How many are in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.values.len(), self.by_expiry.len());
        self.values.len()
    }
}

/// In order of expiry.
impl<V: Hash> Hash for Expiring<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (expiry, key) in &self.by_expiry {
            (expiry, key, self.values.get(key).map(|(value, _)| value)).hash(state);
        }
    }
}

impl<V> Default for Expiring<V> {
    fn default() -> Self {
        Self { values: HashMap::new(), by_expiry: BTreeSet::new() }
    }
}
