//! The states of a client's keys, found by number and by name.
//!
//! Must stay true: a key has one state for as long as there is anything in it.

use foldhash::{HashMap, HashMapExt as _};

use super::slab::Slab;
use crate::key::{KeyId, KeyState};
use crate::store::LockKey;

#[derive(Debug)]
pub(super) struct Keys<C> {
    entries: Slab<Entry<C>>,
    by_name: HashMap<LockKey, KeyId>,
}

#[derive(Debug)]
pub(super) struct Entry<C> {
    pub(super) key: LockKey,
    pub(super) state: KeyState<C>,
}

impl<C: Clone> Keys<C> {
    pub(super) fn new() -> Self {
        Self { entries: Slab::default(), by_name: HashMap::new() }
    }

    pub(super) fn find(&self, key: &LockKey) -> Option<KeyId> {
        self.by_name.get(key).copied()
    }

    /// The state of this key, or a new one. The caller puts something into a new one.
    pub(super) fn find_or_new(&mut self, key: &LockKey) -> KeyId {
        if let Some(id) = self.find(key) {
            return id;
        }
        let id = self.entries.insert(Entry { key: key.clone(), state: KeyState::default() });
        self.by_name.insert(key.clone(), id);
        id
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&Entry<C>> {
        self.entries.get(id)
    }

    pub(super) fn get_mut(&mut self, id: KeyId) -> Option<&mut Entry<C>> {
        self.entries.get_mut(id)
    }

    /// The key in a slot.
    pub(super) fn at(&self, slot: u32) -> Option<KeyId> {
        self.entries.at(slot)
    }

    pub(super) fn remove(&mut self, id: KeyId) {
        if let Some(entry) = self.entries.remove(id) {
            self.by_name.remove(&entry.key);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, &Entry<C>)> {
        self.entries.iter()
    }

    /// All keys, for changes to each.
    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.entries.iter().map(|(id, _)| id).collect()
    }
}
