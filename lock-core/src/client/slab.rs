//! Places for the states of keys: in pages, so that none of them moves when there are more, and so that a page that nobody
//! needs is given back.
//!
//! Must stay true: who comes later to a place is not taken for who was there before.

use crate::key::KeyId;

/// How many places a page has.
const PAGE: usize = 64;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// Who came to a place last, by the number of arrivals before.
    arrivals: Vec<u32>,
    free: Vec<u32>,
    /// Comes round after four thousand million arrivals, which is longer than any of them is remembered.
    arrived: u32,
    len: usize,
    /// A page that is empty and kept, so that one that comes and goes does not cost a page each time.
    spare: Option<usize>,
}

#[derive(Debug, Clone)]
struct Page<T> {
    /// None of them, or all.
    places: Vec<Option<T>>,
    taken: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), arrivals: Vec::new(), free: Vec::new(), arrived: 0, len: 0, spare: None }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> KeyId {
        let place = self.free.pop().unwrap_or_else(|| self.another_place());
        let (page, at) = page_of(place);
        let room = &mut self.pages[page];
        if room.places.is_empty() {
            room.places.resize_with(PAGE, || None);
        }
        room.places[at] = Some(value);
        room.taken += 1;
        self.spare.take_if(|spare| *spare == page);
        self.arrived = self.arrived.wrapping_add(1);
        self.arrivals[place as usize] = self.arrived;
        self.len += 1;
        KeyId { place, arrival: self.arrived }
    }

    pub(super) fn remove(&mut self, id: KeyId) -> Option<T> {
        let value = self.slot(id)?.take()?;
        let (page, _) = page_of(id.place);
        self.free.push(id.place);
        self.len -= 1;
        self.pages[page].taken -= 1;
        if self.pages[page].taken == 0
            && let Some(spare) = self.spare.replace(page)
        {
            self.pages[spare].places = Vec::new();
        }
        if self.len == 0 && self.pages.len() > 1 {
            // What is left grows with the most there ever were.
            *self = Self { arrived: self.arrived, ..Self::default() };
        }
        Some(value)
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&T> {
        let (page, at) = page_of(id.place);
        let is_there = self.arrivals.get(id.place as usize) == Some(&id.arrival);
        is_there.then(|| self.pages[page].places.get(at)?.as_ref())?
    }

    pub(super) fn get_mut(&mut self, id: KeyId) -> Option<&mut T> {
        self.slot(id)?.as_mut()
    }

    /// Who is at a place.
    pub(super) fn at(&self, place: u32) -> Option<KeyId> {
        let id = KeyId { place, arrival: *self.arrivals.get(place as usize)? };
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
        let places = self.pages.iter().enumerate().flat_map(|(page, room)| (page * PAGE..).zip(&room.places));
        places.filter_map(|(place, value)| {
            let value = value.as_ref()?;
            Some((self.at(u32::try_from(place).ok()?)?, value))
        })
    }

    fn slot(&mut self, id: KeyId) -> Option<&mut Option<T>> {
        let (page, at) = page_of(id.place);
        let is_there = self.arrivals.get(id.place as usize) == Some(&id.arrival);
        is_there.then(|| self.pages[page].places.get_mut(at))?
    }

    fn another_place(&mut self) -> u32 {
        let place = u32::try_from(self.arrivals.len()).expect("there are fewer keys than fit into memory");
        self.arrivals.push(0);
        if page_of(place).0 == self.pages.len() {
            self.pages.push(Page { places: Vec::new(), taken: 0 });
        }
        place
    }
}

/// Which page it is on.
pub(super) fn page(id: KeyId) -> usize {
    page_of(id.place).0
}

fn page_of(place: u32) -> (usize, usize) {
    (place as usize / PAGE, place as usize % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_later_is_not_who_was_there_before() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.place, first.place);
        assert!(slab.get(first).is_none() && slab.get_mut(first).is_none() && slab.remove(first).is_none());
        assert_eq!((slab.get(second), slab.at(second.place), slab.len()), (Some(&'b'), Some(second), 1));
    }

    #[test]
    fn all_are_found_and_nothing_is_kept_of_many() {
        let mut slab = Slab::default();
        let ids: Vec<KeyId> = (0..1000).map(|n| slab.insert(n)).collect();
        assert!(slab.iter().eq(ids.iter().copied().zip(&(0..1000).collect::<Vec<_>>())));
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(slab.remove(id), Some(n));
            let pages = slab.pages.iter().filter(|page| !page.places.is_empty()).count();
            // One may be taken in part on either side, and one is spare.
            assert!(pages <= (1000 - n) / PAGE + 3, "{pages} pages for {} keys", 1000 - n);
        }
        assert!(slab.is_empty() && slab.free.capacity() == 0 && slab.arrivals.capacity() == 0);
        assert_eq!(slab.get(ids[0]), None);
    }

    #[test]
    fn a_key_that_comes_and_goes_costs_no_page() {
        let mut slab = Slab::default();
        for n in 0..PAGE {
            slab.insert(n);
        }
        let id = slab.insert(0);
        let page = slab.pages[1].places.as_ptr();
        slab.remove(id);
        slab.insert(1);
        assert_eq!(slab.pages[1].places.as_ptr(), page);
    }
}
