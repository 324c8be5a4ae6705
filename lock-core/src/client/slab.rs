//! A slab for the states of keys: in pages, so that none moves when there are more, and an empty page is freed.
//!
//! Must stay true: the id of a removed value never finds a later one in the same slot.

use crate::key::KeyId;

/// How many slots a page has.
const PAGE: usize = 64;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// By slot: the generation of its last value.
    generations: Vec<u32>,
    free: Vec<u32>,
    /// Wraps after 2^32 inserts, which is longer than any id is remembered.
    generation: u32,
    len: usize,
    /// An empty page that is kept, so that one key that comes and goes does not allocate a page each time.
    spare: Option<usize>,
}

#[derive(Debug, Clone)]
struct Page<T> {
    /// None of them, or all.
    slots: Vec<Option<T>>,
    used: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), generations: Vec::new(), free: Vec::new(), generation: 0, len: 0, spare: None }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> KeyId {
        let slot = self.free.pop().unwrap_or_else(|| self.new_slot());
        let (page, at) = page_and_index(slot);
        let target = &mut self.pages[page];
        if target.slots.is_empty() {
            target.slots.resize_with(PAGE, || None);
        }
        target.slots[at] = Some(value);
        target.used += 1;
        self.spare.take_if(|spare| *spare == page);
        self.generation = self.generation.wrapping_add(1);
        self.generations[slot as usize] = self.generation;
        self.len += 1;
        KeyId { slot, generation: self.generation }
    }

    pub(super) fn remove(&mut self, id: KeyId) -> Option<T> {
        let value = self.slot_mut(id)?.take()?;
        let (page, _) = page_and_index(id.slot);
        self.free.push(id.slot);
        self.len -= 1;
        self.pages[page].used -= 1;
        if self.pages[page].used == 0
            && let Some(spare) = self.spare.replace(page)
        {
            self.pages[spare].slots = Vec::new();
        }
        if self.len == 0 && self.pages.len() > 1 {
            // What would remain grows with the most keys there ever were.
            *self = Self { generation: self.generation, ..Self::default() };
        }
        Some(value)
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&T> {
        let (page, at) = page_and_index(id.slot);
        let is_current = self.generations.get(id.slot as usize) == Some(&id.generation);
        is_current.then(|| self.pages[page].slots.get(at)?.as_ref())?
    }

    pub(super) fn get_mut(&mut self, id: KeyId) -> Option<&mut T> {
        self.slot_mut(id)?.as_mut()
    }

    /// The id of the value in a slot.
    pub(super) fn at(&self, slot: u32) -> Option<KeyId> {
        let id = KeyId { slot, generation: *self.generations.get(slot as usize)? };
        self.get(id).map(|_| id)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, &T)> {
        let slots = self.pages.iter().enumerate().flat_map(|(index, page)| (index * PAGE..).zip(&page.slots));
        slots.filter_map(|(slot, value)| {
            let value = value.as_ref()?;
            Some((self.at(u32::try_from(slot).ok()?)?, value))
        })
    }

    fn slot_mut(&mut self, id: KeyId) -> Option<&mut Option<T>> {
        let (page, at) = page_and_index(id.slot);
        let is_current = self.generations.get(id.slot as usize) == Some(&id.generation);
        is_current.then(|| self.pages[page].slots.get_mut(at))?
    }

    fn new_slot(&mut self) -> u32 {
        let slot = u32::try_from(self.generations.len()).expect("there are fewer keys than fit into memory");
        self.generations.push(0);
        if page_and_index(slot).0 == self.pages.len() {
            self.pages.push(Page { slots: Vec::new(), used: 0 });
        }
        slot
    }
}

/// The page of a key.
pub(super) fn page(id: KeyId) -> usize {
    page_and_index(id.slot).0
}

fn page_and_index(slot: u32) -> (usize, usize) {
    (slot as usize / PAGE, slot as usize % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_id_never_finds_a_later_value() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.slot, first.slot);
        assert!(slab.get(first).is_none() && slab.get_mut(first).is_none() && slab.remove(first).is_none());
        assert_eq!((slab.get(second), slab.at(second.slot), slab.len()), (Some(&'b'), Some(second), 1));
    }

    #[test]
    fn all_are_found_and_no_page_outlives_its_values() {
        let mut slab = Slab::default();
        let ids: Vec<KeyId> = (0..1000).map(|n| slab.insert(n)).collect();
        assert!(slab.iter().eq(ids.iter().copied().zip(&(0..1000).collect::<Vec<_>>())));
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(slab.remove(id), Some(n));
            let pages = slab.pages.iter().filter(|page| !page.slots.is_empty()).count();
            // Two pages may be partly used, and one is spare.
            assert!(pages <= (1000 - n) / PAGE + 3, "{pages} pages for {} keys", 1000 - n);
        }
        assert!(slab.is_empty() && slab.free.capacity() == 0 && slab.generations.capacity() == 0);
        assert_eq!(slab.get(ids[0]), None);
    }

    #[test]
    fn a_key_that_comes_and_goes_costs_no_page() {
        let mut slab = Slab::default();
        for n in 0..PAGE {
            slab.insert(n);
        }
        let id = slab.insert(0);
        let page = slab.pages[1].slots.as_ptr();
        slab.remove(id);
        slab.insert(1);
        assert_eq!(slab.pages[1].slots.as_ptr(), page);
    }
}
