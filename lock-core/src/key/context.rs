//! What an event of a key finds beside the key's own state, and what it wants done.

use super::calls::Spares;
use super::ids::{Number, SessionId};
use super::messages::{Action, Job, Settings};
use crate::lease::{FirstLease, Rhythm};
use crate::store::{LockKey, Moment, StoreError};

/// What a key's state wants done. One place of the client carries each of them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<C> {
    Do(Action<C>),
    Send(Job),
    /// Something cannot be sent before the keeper has a session again.
    Park,
    /// A waiter's period is over, whose last look was then; it looks when it may.
    WantsLook {
        last: Moment,
    },
    /// Others were seen to wait for the key.
    Contended,
    /// A first lease came too late, or ended before it was renewed.
    FirstLeaseTooShort,
    /// One was renewed or given back in time.
    FirstLeaseLongEnough,
    /// A lease came that was waited for.
    Came(How),
}

/// How a lease came that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    ByMessage,
    ByLook,
    Locally,
}

/// What a client knows that concerns each of its keys.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub settings: &'a Settings,
    /// The keeper's session; while it has none, what needs one is parked.
    pub keeper: Option<SessionId>,
    /// Whether the store tells of grants over it.
    pub listening: bool,
    /// Nobody is to have a lease any more.
    pub closing: bool,
    /// Why the keeper has no session, as far as is known.
    pub outage: Option<&'a StoreError>,
    /// How many waiters stand in the store's queues, or may.
    pub queued: usize,
    /// Whether others were seen to wait for this key a moment ago.
    pub contended: bool,
    pub first_lease: &'a FirstLease,
    pub rhythm: Rhythm,
}

/// What an event finds, and where it leaves its effects.
#[derive(Debug)]
pub struct Context<'a, C> {
    pub now: Moment,
    pub key: &'a LockKey,
    pub known: Known<'a>,
    /// The last number that was given.
    pub numbers: &'a mut u64,
    pub effects: &'a mut Vec<Effect<C>>,
    pub spare: &'a mut Spares<C>,
}

impl<C> Context<'_, C> {
    /// A number that nobody has.
    pub(super) fn number(&mut self) -> Number {
        *self.numbers += 1;
        Number(*self.numbers)
    }

    pub(super) fn wake(&mut self, caller: C) {
        self.effects.push(Effect::Do(Action::Wake(caller)));
    }

    pub(super) fn send(&mut self, job: Job) {
        self.effects.push(Effect::Send(job));
    }

    /// The keeper's session, if the store tells of grants over it.
    pub(super) fn told_over_keepers(&self) -> Option<SessionId> {
        self.known.keeper.filter(|_| self.known.listening)
    }
}
