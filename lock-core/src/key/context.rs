//! What a transition knows besides the key's own state, and the effects that it asks for.

use super::calls::Spares;
use super::ids::{Number, SessionId};
use super::messages::{Action, Job, Settings};
use crate::lease::{FirstLease, Rhythm};
use crate::store::{LockKey, Moment, StoreError};

/// What a key's state wants done. The client carries each of them out in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<C> {
    Do(Action<C>),
    Send(Job),
    /// Something cannot be sent until there is a session for the keeper again.
    Park,
    /// A request over this session had no answer in time.
    TimedOut(SessionId),
    /// A grant was found that was to be told over this session, and was not heard.
    NotHeard(SessionId),
    /// A periodic look is due, of a waiter that last looked at `last`; the client limits their rate.
    WantsLook {
        last: Moment,
    },
    /// Other waiters were seen for this key.
    Contended,
    /// A first lease arrived too late, or ended before it was renewed.
    FirstLeaseTooShort,
    /// A first lease was renewed or released in time.
    FirstLeaseLongEnough,
    /// A call that had to wait was granted its lease.
    Granted(GrantedBy),
}

/// How a waiter was granted its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantedBy {
    ByMessage,
    ByLook,
    Locally,
}

/// What a client knows that all its keys need.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub settings: &'a Settings,
    /// The session of the keeper's calls: its own, or one that stands in; without one, they are parked.
    pub keeper: Option<SessionId>,
    /// That of its renewals and releases, which may be suspected; without one, they are parked.
    pub carrier: Option<SessionId>,
    /// Whether it is the keeper's own, and the store sends grant messages over it.
    pub listening: bool,
    /// The client is closing: no call gets a lease any more.
    pub closing: bool,
    /// Why the keeper has no session, if known.
    pub outage: Option<&'a StoreError>,
    /// How many waiters are in the store's queues, or may be.
    pub queued: usize,
    /// Whether other waiters were seen for this key a moment ago.
    pub contended: bool,
    pub first_lease: &'a FirstLease,
    pub rhythm: Rhythm,
}

/// What a transition reads, and where it leaves its effects.
#[derive(Debug)]
pub struct Context<'a, C> {
    pub now: Moment,
    pub key: &'a LockKey,
    pub known: Known<'a>,
    /// The last number that was given out.
    pub numbers: &'a mut u64,
    pub effects: &'a mut Vec<Effect<C>>,
    pub spare: &'a mut Spares<C>,
}

impl<C> Context<'_, C> {
    /// A new number.
    pub(super) fn number(&mut self) -> Number {
        *self.numbers += 1;
        Number(*self.numbers)
    }

    pub(super) fn wake(&mut self, caller: C) {
        self.effects.push(Effect::Do(Action::Wake(caller)));
    }

    /// A request over this session had no answer in time. From now on no session is trusted, so the keeper's calls
    /// are parked.
    pub(super) fn timed_out(&mut self, session: SessionId) {
        self.effects.push(Effect::TimedOut(session));
        self.known.keeper = None;
    }

    pub(super) fn send(&mut self, job: Job) {
        self.effects.push(Effect::Send(job));
    }

    /// The keeper's session, if the store sends grant messages over it.
    pub(super) fn keeper_push_session(&self) -> Option<SessionId> {
        self.known.keeper.filter(|_| self.known.listening)
    }
}
