//! The calls of one key: one that asks the store or holds the key, and the others: those who hold it beside each other,
//! in the local queue, refused, or with a lost lease; also the tokens under release.
//!
//! Absent on purpose: transitions.

use std::collections::BTreeMap;

use super::held::Held;
use super::ids::Number;
use super::local_queue::{LocalQueue, Waiter};
use super::messages::Refusal;
use super::names::CallNames;
use super::releasing::Releasing;
use super::spare::Spare;
use super::waiting::Waiting;
use crate::store::{Kind, Moment, StoreError, Token};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Calls<C> {
    pub(super) active: Active<C>,
    /// When the key was last known to be held; a call that arrived before that has waited for a busy key.
    pub(super) last_known_held: Moment,
    /// None if there are no others. Boxed, so that the common case, a holder alone, stays small.
    others: Option<Box<Others<C>>>,
}

/// The one call that asks the store or holds the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Active<C> {
    Nobody,
    Waiter(Waiter<C>),
    Holder(Holder<C>),
}

/// What those of this process who hold a key leave to others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Room {
    /// Nobody holds it.
    All,
    /// Those of this kind hold it, and have taken so many permits.
    Beside { kind: Kind, taken: u64 },
}

impl Room {
    /// Whether one of this kind may hold beside them, if there are permits.
    pub(super) fn is_for(self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Beside { kind: of, .. } => of.agrees_with(kind),
        }
    }

    /// Whether there may be permits for it, too, as far as this process knows.
    pub(super) fn has_any_for(self, kind: Kind) -> bool {
        let is_full = match (self, kind) {
            (Self::Beside { taken, .. }, Kind::Permits { most, weight }) => taken + u64::from(weight) > u64::from(most),
            _ => false,
        };
        self.is_for(kind) && !is_full
    }
}

/// A call that has a lease, lost or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Holder<C> {
    pub(super) number: Number,
    pub(super) caller: C,
    pub(super) token: Token,
    pub(super) held: Held,
}

/// All other calls, and releases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Others<C> {
    pub(super) queue: LocalQueue<C>,
    /// Refused calls whose tasks do not know it yet.
    pub(super) refused: BTreeMap<Number, Refusal>,
    /// Those of a set who hold the key, all of kinds that agree; as many as calls of this process hold it.
    pub(super) beside: Vec<Holder<C>>,
    /// Calls with a lost lease whose body or guard still exists.
    pub(super) lost: Vec<Holder<C>>,
    pub(super) releases: Vec<Releasing<C>>,
    /// Calls that were passed over, because their tasks did not look at a grant; they wait to be polled.
    pub(super) passed_over: BTreeMap<Number, Waiter<C>>,
}

impl<C> Default for Others<C> {
    fn default() -> Self {
        Self {
            queue: LocalQueue::default(),
            refused: BTreeMap::new(),
            beside: Vec::new(),
            lost: Vec::new(),
            releases: Vec::new(),
            passed_over: BTreeMap::new(),
        }
    }
}

impl<C> Default for Calls<C> {
    fn default() -> Self {
        Self { active: Active::Nobody, last_known_held: Moment::MIN, others: None }
    }
}

/// Boxes that all keys of a client reuse.
#[derive(Debug)]
pub struct Spares<C> {
    pub(super) waiting: Spare<Waiting>,
    others: Spare<Others<C>>,
}

impl<C> Default for Spares<C> {
    fn default() -> Self {
        Self { waiting: Spare::default(), others: Spare::default() }
    }
}

/// For how many releases, and how many lost leases, a spare box keeps room.
const SPARED: usize = 4;

impl<C> Calls<C> {
    /// The other calls, if there are any.
    pub(super) fn others(&self) -> Option<&Others<C>> {
        self.others.as_deref()
    }

    pub(super) fn others_mut(&mut self) -> Option<&mut Others<C>> {
        self.others.as_deref_mut()
    }

    /// The other calls, allocated if needed.
    pub(super) fn others_or_new(&mut self, spare: &mut Spares<C>) -> &mut Others<C> {
        self.others.get_or_insert_with(|| spare.others.take())
    }

    /// Gives the box back when nothing is in it.
    pub(super) fn tidy(&mut self, spare: &mut Spares<C>) {
        let is_empty = |others: &Others<C>| {
            let are_gone = others.releases.is_empty() && others.lost.is_empty() && others.beside.is_empty();
            are_gone && others.refused.is_empty() && others.queue.len() == 0 && others.passed_over.is_empty()
        };
        if let Some(mut empty) = self.others.take_if(|others| is_empty(others)) {
            empty.releases.shrink_to(SPARED);
            empty.lost.shrink_to(SPARED);
            empty.beside.shrink_to(SPARED);
            spare.others.keep(empty);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self.active, Active::Nobody) && self.others.is_none()
    }

    /// Whether a local waiter of this kind may ask: no call asks, none holds that does not agree with it, and no release
    /// blocks it.
    pub(super) fn is_free_for(&self, kind: Kind) -> bool {
        matches!(self.active, Active::Nobody)
            && self.room().is_for(kind)
            && !self.releases().any(|releasing| releasing.blocks(kind))
    }

    /// What those of this process who hold the key leave to others.
    pub(super) fn room(&self) -> Room {
        let Some(first) = self.holders().next() else { return Room::All };
        let taken = self.holders().map(|holder| u64::from(holder.held.kind.weight())).sum();
        Room::Beside { kind: first.held.kind, taken }
    }

    /// All of this process who hold the key.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder<C>> {
        self.holder().into_iter().chain(self.others().into_iter().flat_map(|others| &others.beside))
    }

    pub(super) fn releases(&self) -> impl Iterator<Item = &Releasing<C>> {
        self.others().into_iter().flat_map(|others| &others.releases)
    }

    pub(super) fn release_mut(&mut self, number: Number) -> Option<&mut Releasing<C>> {
        self.others_mut()?.releases.iter_mut().find(|releasing| releasing.number == number)
    }

    pub(super) fn remove_release(&mut self, number: Number) -> Option<Releasing<C>> {
        let releases = &mut self.others_mut()?.releases;
        let at = releases.iter().position(|releasing| releasing.number == number)?;
        Some(releases.remove(at))
    }

    /// The local queue, if there is one.
    pub(super) fn queue(&self) -> Option<&LocalQueue<C>> {
        self.others().map(|others| &others.queue)
    }

    pub(super) fn queue_mut(&mut self) -> Option<&mut LocalQueue<C>> {
        self.others_mut().map(|others| &mut others.queue)
    }

    /// How many local waiters still have time to wait.
    pub(super) fn waiting_locally(&self) -> usize {
        self.queue().map_or(0, LocalQueue::waiting)
    }

    /// Takes out the active waiter, if it matches.
    pub(super) fn take_active_waiter(&mut self, is_it: impl FnOnce(&Waiter<C>) -> bool) -> Option<Waiter<C>> {
        match std::mem::replace(&mut self.active, Active::Nobody) {
            Active::Waiter(waiter) if is_it(&waiter) => Some(waiter),
            other => {
                self.active = other;
                None
            }
        }
    }

    /// Takes out the active holder, if it matches.
    pub(super) fn take_active_holder(&mut self, is_it: impl FnOnce(&Holder<C>) -> bool) -> Option<Holder<C>> {
        match std::mem::replace(&mut self.active, Active::Nobody) {
            Active::Holder(holder) if is_it(&holder) => Some(holder),
            other => {
                self.active = other;
                None
            }
        }
    }

    /// The active waiter.
    pub(super) fn waiter_mut(&mut self) -> Option<&mut Waiter<C>> {
        match &mut self.active {
            Active::Waiter(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// The active holder.
    pub(super) fn holder(&self) -> Option<&Holder<C>> {
        match &self.active {
            Active::Holder(holder) => Some(holder),
            _ => None,
        }
    }

    pub(super) fn holder_mut(&mut self) -> Option<&mut Holder<C>> {
        match &mut self.active {
            Active::Holder(holder) => Some(holder),
            _ => None,
        }
    }

    /// The call of this number, if it has a lease, lost or not.
    pub(super) fn holder_of(&self, number: Number) -> Option<&Holder<C>> {
        let lost = self.others().into_iter().flat_map(|others| &others.lost);
        self.holders().chain(lost).find(|holder| holder.number == number)
    }

    pub(super) fn holder_of_mut(&mut self, number: Number) -> Option<&mut Holder<C>> {
        match &mut self.active {
            Active::Holder(holder) if holder.number == number => Some(holder),
            _ => {
                let Others { beside, lost, .. } = self.others.as_deref_mut()?;
                beside.iter_mut().chain(lost).find(|holder| holder.number == number)
            }
        }
    }

    /// Takes out a call with a lost lease.
    pub(super) fn take_lost(&mut self, number: Number) -> Option<Holder<C>> {
        let lost = &mut self.others_mut()?.lost;
        let at = lost.iter().position(|holder| holder.number == number)?;
        Some(lost.swap_remove(at))
    }

    /// Whether the key is held for one of this kind who comes now: by calls of this process, beside whom there is no
    /// room for it or for one who came before it; or by others, as one of ours has just been answered.
    pub(super) fn is_known_held(&self, now: Moment, kind: Kind) -> bool {
        let room = self.room();
        let is_held_for_first =
            || self.queue().and_then(LocalQueue::first).is_some_and(|first| !room.is_for(first.waiting.terms.kind));
        let is_held_elsewhere = match &self.active {
            Active::Waiter(waiter) => waiter.waiting.is_known_held(now),
            Active::Holder(_) | Active::Nobody => false,
        };
        is_held_elsewhere || !room.has_any_for(kind) || is_held_for_first()
    }

    /// Until when the key is held at most, unless it is renewed, as far as that is known and to come.
    pub(super) fn free_at(&self, now: Moment) -> Option<Moment> {
        let elsewhere = match &self.active {
            Active::Waiter(waiter) => waiter.waiting.free_at(now),
            Active::Holder(_) | Active::Nobody => None,
        };
        let here = self.holders().map(|holder| holder.held.expires_at()).max();
        elsewhere.or(here.filter(|&expires_at| now < expires_at))
    }

    /// The last error of the active waiter, unless the store has answered since.
    pub(super) fn last_error(&self) -> Option<StoreError> {
        match &self.active {
            Active::Waiter(waiter) => waiter.waiting.last_error.clone(),
            _ => None,
        }
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        match &mut self.active {
            Active::Nobody => {}
            Active::Waiter(waiter) => waiter.show_names(names),
            Active::Holder(holder) => holder.show_names(names),
        }
        names.moment(&mut self.last_known_held);
        self.others.iter_mut().for_each(|others| others.show_names(names));
    }
}

impl<C> Holder<C> {
    fn show_names(&mut self, names: &mut impl CallNames) {
        names.number(&mut self.number);
        names.token(&mut self.token);
        self.held.show_names(names);
    }
}

impl<C> Others<C> {
    fn show_names(&mut self, names: &mut impl CallNames) {
        self.queue.show_names(names);
        let renamed = std::mem::take(&mut self.refused).into_iter().map(|(mut number, mut refusal)| {
            names.number(&mut number);
            refusal.show_names(names);
            (number, refusal)
        });
        self.refused = renamed.collect();
        let renamed = std::mem::take(&mut self.passed_over).into_values().map(|mut waiter| {
            waiter.show_names(names);
            (waiter.number, waiter)
        });
        self.passed_over = renamed.collect();
        self.beside.iter_mut().chain(&mut self.lost).for_each(|holder| holder.show_names(names));
        self.releases.iter_mut().for_each(|releasing| releasing.show_names(names));
    }
}
