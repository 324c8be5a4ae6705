//! The calls of one key by what they are doing: one asks the store or holds, the others wait in line, have yet to hear
//! that they were refused, or lost their lease; and the tokens that are being given back.
//!
//! Absent on purpose: what any of them does next.

use std::collections::BTreeMap;

use super::held::Held;
use super::ids::Number;
use super::local_queue::{LocalQueue, Waiter};
use super::messages::Refusal;
use super::releasing::Releasing;
use super::spare::Spare;
use super::waiting::Waiting;
use crate::store::{Moment, StoreError, Token};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Calls<C> {
    pub(super) active: Active<C>,
    /// When the key was last known to be held; whoever came before that has waited for a busy key.
    pub(super) held_at: Moment,
    /// None if there is nobody else; boxed, since most leases are nobody else's.
    rest: Option<Box<Rest<C>>>,
}

/// The one call that asks the store, or holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Active<C> {
    Nobody,
    Waiter(Waiter<C>),
    Holder(Holder<C>),
}

/// A call that has a lease, lost or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Holder<C> {
    pub(super) number: Number,
    pub(super) caller: C,
    pub(super) token: Token,
    pub(super) held: Held,
}

/// All others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Rest<C> {
    pub(super) queue: LocalQueue<C>,
    /// Those who have yet to hear.
    pub(super) refused: BTreeMap<Number, Refusal>,
    /// Those whose lease is lost and whose body or guard is not gone.
    pub(super) lost: Vec<Holder<C>>,
    pub(super) releases: Vec<Releasing<C>>,
}

impl<C> Default for Rest<C> {
    fn default() -> Self {
        Self { queue: LocalQueue::default(), refused: BTreeMap::new(), lost: Vec::new(), releases: Vec::new() }
    }
}

impl<C> Default for Calls<C> {
    fn default() -> Self {
        Self { active: Active::Nobody, held_at: Moment::MIN, rest: None }
    }
}

/// Boxes that are used again by all keys of a client.
#[derive(Debug)]
pub struct Spares<C> {
    pub(super) waiting: Spare<Waiting>,
    rest: Spare<Rest<C>>,
}

impl<C> Default for Spares<C> {
    fn default() -> Self {
        Self { waiting: Spare::default(), rest: Spare::default() }
    }
}

impl<C> Calls<C> {
    /// All others, if there are any.
    pub(super) fn rest(&self) -> Option<&Rest<C>> {
        self.rest.as_deref()
    }

    pub(super) fn rest_mut(&mut self) -> Option<&mut Rest<C>> {
        self.rest.as_deref_mut()
    }

    /// All others, with room for the first of them.
    pub(super) fn rest_or_new(&mut self, spare: &mut Spares<C>) -> &mut Rest<C> {
        self.rest.get_or_insert_with(|| spare.rest.take())
    }

    /// Gives the room back that nobody needs.
    pub(super) fn tidy(&mut self, spare: &mut Spares<C>) {
        let is_empty = |rest: &Rest<C>| {
            rest.releases.is_empty() && rest.lost.is_empty() && rest.refused.is_empty() && rest.queue.len() == 0
        };
        if let Some(empty) = self.rest.take_if(|rest| is_empty(rest)) {
            spare.rest.keep(empty);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self.active, Active::Nobody) && self.rest.is_none()
    }

    /// Whether somebody may ask: nobody asks or holds, and no release has yet to be answered.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.active, Active::Nobody) && !self.releases().any(Releasing::holds_queue)
    }

    pub(super) fn releases(&self) -> impl Iterator<Item = &Releasing<C>> {
        self.rest().into_iter().flat_map(|rest| &rest.releases)
    }

    pub(super) fn release_mut(&mut self, number: Number) -> Option<&mut Releasing<C>> {
        self.rest_mut()?.releases.iter_mut().find(|releasing| releasing.number == number)
    }

    pub(super) fn remove_release(&mut self, number: Number) -> Option<Releasing<C>> {
        let releases = &mut self.rest_mut()?.releases;
        let at = releases.iter().position(|releasing| releasing.number == number)?;
        Some(releases.remove(at))
    }

    /// Who waits locally, if anybody does.
    pub(super) fn queue(&self) -> Option<&LocalQueue<C>> {
        self.rest().map(|rest| &rest.queue)
    }

    pub(super) fn queue_mut(&mut self) -> Option<&mut LocalQueue<C>> {
        self.rest_mut().map(|rest| &mut rest.queue)
    }

    /// How many wait locally whose time is not over.
    pub(super) fn waiting_locally(&self) -> usize {
        self.queue().map_or(0, LocalQueue::waiting)
    }

    /// Takes the one who asks out, if it is this call.
    pub(super) fn take_active_waiter(&mut self, is_it: impl FnOnce(&Waiter<C>) -> bool) -> Option<Waiter<C>> {
        match std::mem::replace(&mut self.active, Active::Nobody) {
            Active::Waiter(waiter) if is_it(&waiter) => Some(waiter),
            other => {
                self.active = other;
                None
            }
        }
    }

    /// Takes the one who holds out, if it is this call.
    pub(super) fn take_active_holder(&mut self, is_it: impl FnOnce(&Holder<C>) -> bool) -> Option<Holder<C>> {
        match std::mem::replace(&mut self.active, Active::Nobody) {
            Active::Holder(holder) if is_it(&holder) => Some(holder),
            other => {
                self.active = other;
                None
            }
        }
    }

    /// The one who asks.
    pub(super) fn waiter_mut(&mut self) -> Option<&mut Waiter<C>> {
        match &mut self.active {
            Active::Waiter(waiter) => Some(waiter),
            _ => None,
        }
    }

    /// The one who holds.
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

    /// A call that has a lease, lost or not.
    pub(super) fn holder_of(&self, number: Number) -> Option<&Holder<C>> {
        let lost = || self.rest().and_then(|rest| rest.lost.iter().find(|holder| holder.number == number));
        self.holder().filter(|holder| holder.number == number).or_else(lost)
    }

    pub(super) fn holder_of_mut(&mut self, number: Number) -> Option<&mut Holder<C>> {
        match &mut self.active {
            Active::Holder(holder) if holder.number == number => Some(holder),
            _ => self.rest.as_mut()?.lost.iter_mut().find(|holder| holder.number == number),
        }
    }

    /// Takes out a call whose lease is lost.
    pub(super) fn take_lost(&mut self, number: Number) -> Option<Holder<C>> {
        let lost = &mut self.rest_mut()?.lost;
        let at = lost.iter().position(|holder| holder.number == number)?;
        Some(lost.swap_remove(at))
    }

    /// Whether somebody of this process holds the key, or was told just now that somebody else does.
    pub(super) fn is_held_for_sure(&self, now: Moment) -> bool {
        match &self.active {
            Active::Holder(_) => true,
            Active::Waiter(waiter) => waiter.waiting.is_held_for_sure(now),
            Active::Nobody => false,
        }
    }

    /// What keeps the one who asks from being answered.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        match &self.active {
            Active::Waiter(waiter) => waiter.waiting.trouble.clone(),
            _ => None,
        }
    }
}
