//! Who holds which key.
//!
//! What must stay true: a key is held for as long as the longest of its leases, and by nobody of another group.
//! Absent on purpose: who waits, and fences.

use super::expiring::Expiring;
use super::holders::Holders;
use crate::planted::{Mutant, planted};
use crate::store::{Holding, Kind, LockKey, Moment, Names, Token};

/// All keys that are held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Locks(Expiring<Holders>);

impl Locks {
    pub(super) fn is_held(&self, now: Moment, key: &LockKey) -> bool {
        self.0.get(now, key).is_some()
    }

    /// When this token's lease ends, if it holds the key.
    pub(super) fn held_by(&self, now: Moment, key: &LockKey, token: Token) -> Option<Moment> {
        self.0.get(now, key).and_then(|(holders, _)| holders.expiry_of(now, token))
    }

    /// When one of this kind may have the key at the latest, if nothing is renewed; none if nobody holds it.
    pub(super) fn held_until(&self, now: Moment, key: &LockKey, kind: Kind) -> Option<Moment> {
        self.0.get(now, key).map(|(holders, _)| holders.held_until(now, kind))
    }

    /// Whether one of this kind may hold the key beside those who do.
    pub(super) fn has_room(&self, now: Moment, key: &LockKey, kind: Kind) -> bool {
        self.0.get(now, key).is_none_or(|(holders, _)| holders.have_room_for(now, kind))
    }

    /// Whether one of any kind may.
    pub(super) fn may_have_room(&self, now: Moment, key: &LockKey) -> bool {
        self.0.get(now, key).is_none_or(|(holders, _)| holders.are_a_set())
    }

    /// Who holds the key, and until when; `NOBODY` where a place is kept.
    pub(super) fn holders(&self, now: Moment, key: &LockKey) -> Vec<(Token, Moment)> {
        self.0.get(now, key).map(|(holders, _)| holders.tokens(now).collect()).unwrap_or_default()
    }

    /// The same, as an inspection tells of them.
    pub(super) fn inspect(&self, now: Moment, key: &LockKey) -> Vec<Holding> {
        self.0.get(now, key).map(|(holders, _)| holders.inspect(now).collect()).unwrap_or_default()
    }

    /// The key is this token's, beside those who hold it already.
    pub(super) fn hold(&mut self, now: Moment, key: &LockKey, (token, kind): (Token, Kind), expiry: Moment) {
        let holders = match self.take(now, key) {
            Some(others) => others.and(token, kind, expiry),
            None => Holders::one(token, kind, expiry),
        };
        self.put(key, holders, expiry);
    }

    /// The lease of this token ends then.
    pub(super) fn lengthen(&mut self, now: Moment, key: &LockKey, token: Token, expiry: Moment) {
        if let Some(mut holders) = self.take(now, key) {
            holders.set_expiry(now, token, expiry);
            self.put(key, holders, expiry);
        }
    }

    /// The place of this token is nobody's until then.
    pub(super) fn keep(&mut self, now: Moment, key: &LockKey, token: Token, expiry: Moment) {
        if let Some(mut holders) = self.take(now, key) {
            holders.keep_until(now, token, expiry);
            self.put(key, holders, expiry);
        }
    }

    /// What was to be done under the key is done, until then.
    pub(super) fn mark_done(&mut self, now: Moment, key: &LockKey, expiry: Moment) {
        if let Some(holders) = self.take(now, key) {
            self.put(key, holders.done_until(expiry), expiry);
        }
    }

    /// Until when what was to be done under the key is done, if it is.
    pub(super) fn done_until(&self, now: Moment, key: &LockKey) -> Option<Moment> {
        self.0.get(now, key).filter(|(holders, _)| holders.are_done()).map(|(_, expiry)| expiry)
    }

    /// Who holds the key does so shared; returns whether that can be.
    pub(super) fn downgrade(&mut self, now: Moment, key: &LockKey) -> bool {
        let Some(holders) = self.take(now, key) else { return false };
        let may = holders.may_be_shared();
        self.put_back(key, if may { holders.shared() } else { holders });
        may
    }

    /// This token holds the key no longer.
    pub(super) fn release(&mut self, now: Moment, key: &LockKey, token: Token) {
        let frees_all = planted(Mutant::ReleaseFreesTheSet) || planted(Mutant::ReleaseWithoutCompare);
        let left = self.take(now, key).and_then(|holders| holders.without(now, token));
        if let Some(left) = left.filter(|_| !frees_all) {
            self.put_back(key, left);
        }
    }

    /// The key is this token's alone, whoever held it.
    pub(super) fn overwrite(&mut self, key: &LockKey, token: Token, expiry: Moment) {
        self.put_back(key, Holders::one(token, Kind::Exclusive, expiry));
    }

    /// Takes out all who hold the key.
    pub(super) fn take(&mut self, now: Moment, key: &LockKey) -> Option<Holders> {
        self.0.take(now, key).map(|(holders, _)| holders)
    }

    pub(super) fn put_back(&mut self, key: &LockKey, holders: Holders) {
        let last = holders.expiry();
        self.put(key, holders, last);
    }

    /// `last` is when the lease ends that was changed last.
    fn put(&mut self, key: &LockKey, holders: Holders, last: Moment) {
        let is_last = planted(Mutant::SetEndsWithTheLast) && holders.are_a_set();
        let expiry = if is_last { last } else { holders.expiry() };
        self.0.set(key, holders, expiry);
    }

    /// Forgets a few that have expired.
    pub(super) fn forget_some(&mut self, now: Moment) {
        self.0.forget_some(now);
    }

    /// Forgets all that have expired.
    pub(super) fn forget_all(&mut self, now: Moment) {
        self.0.forget_all(now);
    }

    /// Shows its names.
    pub(super) fn show_names(&mut self, names: &mut impl Names) {
        self.0.show_names(names, Holders::show_names);
    }

    /// How many are in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
