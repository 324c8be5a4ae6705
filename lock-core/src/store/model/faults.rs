//! What may befall a store, for the simulator: it forgets, it is tampered with, and it loses its connections.

use super::queue::Waiter;
use super::{Model, micros};
use crate::planted::{Mutant, planted};
use crate::store::LockKey;
use crate::store::Moment;
use crate::store::{Entry, Grant, ListenerId, Token};

/// Who holds a key that was released and is kept: no token that a client draws.
const NOBODY: Token = Token::from_bits(0);

impl Model {
    /// What a store does that may have forgotten, before anybody is granted anything: no fence is below its clock.
    pub fn raise(&mut self, now: Moment) {
        if !planted(Mutant::PlainFenceCounter) {
            self.last_fence = self.last_fence.max(micros(now));
        }
    }

    /// Grants to those who were passed over, as a server tells of them that publishes before it counts who heard: a
    /// replica hands the message on.
    pub(super) fn tell_at_replica(&mut self, now: Moment, key: &LockKey, passed_over: &[Waiter]) {
        for Waiter { token, entry: Entry { listener, first_lease, fences, .. }, .. } in passed_over.iter().cloned() {
            let fence = self.mint(fences);
            let grant = Grant { key: key.clone(), token, fence, fences, first_lease, clock: micros(now) };
            self.told_at_replica.push((listener, grant));
        }
    }

    /// What is to be told by a replica since the last call; nothing, unless that fault is planted.
    pub fn take_told_at_replica(&mut self) -> Vec<(ListenerId, Grant)> {
        std::mem::take(&mut self.told_at_replica)
    }

    /// Nobody is connected any more.
    pub fn disconnect_all(&mut self) {
        self.listening.clear();
    }

    /// A stranger deletes the key and its queue.
    pub fn strike(&mut self, now: Moment, key: &LockKey) {
        self.locks.take(now, key);
        self.queues.take(now, key);
    }

    /// A stranger writes the key.
    pub fn overwrite(&mut self, key: &LockKey, token: Token, expiry: Moment) {
        self.locks.set(key, Some(token), expiry);
    }

    /// Who holds the key, and until when; [`NOBODY`] if it is kept.
    pub fn holder(&self, now: Moment, key: &LockKey) -> Option<(Token, Moment)> {
        self.locks.get(now, key).map(|(token, expiry)| (token.unwrap_or(NOBODY), expiry))
    }

    /// Who stands in the key's queue.
    pub fn waiters(&self, now: Moment, key: &LockKey) -> Vec<Token> {
        self.queues.get(now, key).map(|(queue, _)| queue.tokens().collect()).unwrap_or_default()
    }
}
