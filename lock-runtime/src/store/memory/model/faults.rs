//! What may befall a store, for the simulator: it forgets, it is tampered with, and it loses its connections.

use super::{Model, micros};
use crate::clock::Moment;
use crate::key::LockKey;
use crate::mutant::{Mutant, planted};
use crate::store::Token;

/// Who holds a key that was released and is kept: no token that a client draws.
const NOBODY: Token = Token::from_bits(0);

impl Model {
    /// What a store does that may have forgotten, before anybody is granted anything: no fence is below its clock.
    pub(crate) fn raise(&mut self, now: Moment) {
        if !planted(Mutant::PlainFenceCounter) {
            self.last_fence = self.last_fence.max(micros(now));
        }
    }

    /// Nobody is connected any more.
    pub(crate) fn disconnect_all(&mut self) {
        self.listening.clear();
    }

    /// A stranger deletes the key and its queue.
    pub(crate) fn strike(&mut self, now: Moment, key: &LockKey) {
        self.locks.take(now, key);
        self.queues.take(now, key);
    }

    /// A stranger writes the key.
    pub(crate) fn overwrite(&mut self, key: &LockKey, token: Token, expiry: Moment) {
        self.locks.set(key, Some(token), expiry);
    }

    /// Who holds the key, and until when; [`NOBODY`] if it is kept.
    pub(crate) fn holder(&self, now: Moment, key: &LockKey) -> Option<(Token, Moment)> {
        self.locks.get(now, key).map(|(token, expiry)| (token.unwrap_or(NOBODY), expiry))
    }

    /// Whether anybody stands in the key's queue.
    pub(crate) fn is_waited_for(&self, now: Moment, key: &LockKey) -> bool {
        self.queues.get(now, key).is_some()
    }
}
