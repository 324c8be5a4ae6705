//! The specification of every store, as a value.
//!
//! Time is an argument, an operation is one call, and a call that hands a key over puts a grant where
//! [`take_grants`](Model::take_grants) finds it. It is the shortest store and by definition right; what another store
//! answers must agree with it. What must stay true: every grant of a key goes through `mint`, an empty queue leaves
//! nothing, and each operation forgets more than it can add. Absent on purpose: errors, and who carries grants out.

use std::time::Duration;

use super::expiring::Expiring;
use super::queue::{Next, Queue, Waiter, is_known};
use crate::planted::{Mutant, planted};
use crate::store::LONGEST_ALIVE;
use crate::store::LockKey;
use crate::store::Moment;
use crate::store::{
    Acquired, Ask, Capabilities, ClockId, ClockReading, Enqueue, Entry, Grant, Holding, Inspection, Kind, ListenerId,
    Look, Names, Owner, Release, Released, Renewal, Renewed, Rotate, Rotated, Token, Waiting,
};

/// How long a queue outlasts the last operation that put somebody there, or found that it stands there, at least.
const QUEUE_LASTS: Duration = Duration::from_secs(30);

/// Who holds a key that was released and is kept: no token that a client draws.
const NOBODY: Token = Token::from_bits(0);

/// All locks of one namespace, and those who wait for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Model {
    /// By whom a key is held; nobody, if it was released and is kept for a while.
    locks: Expiring<Option<Token>>,
    queues: Expiring<Queue>,
    /// As often as it was told to listen, so that the end of one session does not end the next.
    listening: Vec<ListenerId>,
    grants: Vec<(ListenerId, Grant)>,
    told_at_replica: Vec<(ListenerId, Grant)>,
    last_fence: u64,
    clock: Clock,
}

/// What its readings are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Clock {
    id: ClockId,
    /// How far what it shows is ahead of the time.
    ahead: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self { id: ClockId::from_bits(0), ahead: Duration::ZERO }
    }
}

impl Model {
    /// What it is asked for; it keeps the first kind alone, and leaves entries of another in their places.
    pub const CAPABILITIES: Capabilities = Capabilities::new().with_queues().with_fence_blocks().with_inspection();

    /// Takes the key if it is free. Whoever holds it, be it this very token, the answer is `Held`.
    pub fn acquire(&mut self, now: Moment, ask: &Ask) -> Acquired {
        self.forget_some(now);
        if let Some((_, expiry)) = self.locks.get(now, &ask.key) {
            let for_at_most = ask.time_left.then(|| expiry.since(now));
            return Acquired::Held { for_at_most, queued_at: None };
        }
        self.grant(&ask.key, ask.token, now + ask.ttl, 1)
    }

    /// Takes the key if it is held by this token, or free and nobody who is alive stands before it.
    pub fn look(&mut self, now: Moment, look: &Look) -> Acquired {
        self.ask_again(now, look, None)
    }

    /// The same for one who waits: it takes or keeps its place in the queue first.
    pub fn enqueue(&mut self, now: Moment, enqueue: &Enqueue) -> Acquired {
        let (look, entry) = enqueue.clone().into_look();
        self.ask_again(now, &look, Some(&entry))
    }

    fn ask_again(&mut self, now: Moment, look: &Look, entry: Option<&Entry>) -> Acquired {
        self.forget_some(now);
        let Look { key, token, ttl, fences, .. } = look;
        if let Some(expiry) = self.held_by(now, key, *token) {
            if entry.is_some() {
                self.leave(now, key, *token);
            }
            return self.grant(key, *token, expiry.max(now + *ttl), *fences);
        }
        if let Some(entry) = entry {
            self.stand_in_line(now, key, *token, entry);
        }
        if self.locks.get(now, key).is_none() {
            match self.next(now, key, Some(*token)).heir {
                Some(heir) if heir.token != *token => self.hand_over(now, key, &heir),
                _ => {
                    // An entry that is not known is not the next in line, and its own token's all the same.
                    if entry.is_some() {
                        self.leave(now, key, *token);
                    }
                    return self.grant(key, *token, now + *ttl, *fences);
                }
            }
        }
        let for_at_most = self.locks.get(now, key).map(|(_, expiry)| expiry.since(now));
        Acquired::Held { for_at_most, queued_at: entry.map(|_| self.reading(now)) }
    }

    /// Moves the expiry to `ttl` from now, if that is later.
    pub fn renew(&mut self, now: Moment, renewal: &Renewal) -> Renewed {
        self.forget_some(now);
        match self.held_by_unless(Mutant::RenewWithoutCompare, now, &renewal.key, renewal.token) {
            Some(expiry) => {
                self.locks.set(&renewal.key, Some(renewal.token), expiry.max(now + renewal.ttl));
                Renewed::Renewed
            }
            None => Renewed::NotOurs,
        }
    }

    /// Hands the key over or frees it; or takes it from everybody until `keep` from now, be that sooner or later than
    /// its expiry was.
    pub fn release(&mut self, now: Moment, release: &Release) -> Released {
        self.forget_some(now);
        if release.leave.is_some() {
            self.leave(now, &release.key, release.token);
        }
        if self.held_by_unless(Mutant::ReleaseWithoutCompare, now, &release.key, release.token).is_none() {
            return Released::NotOurs;
        }
        if let Some(keep) = release.keep {
            let nobody = planted(Mutant::KeptByItsToken).then_some(release.token);
            self.locks.set(&release.key, nobody, now + keep);
            return Released::Freed;
        }
        self.locks.take(now, &release.key);
        if let Some(heir) = self.next(now, &release.key, None).heir {
            self.hand_over(now, &release.key, &heir);
        }
        Released::Freed
    }

    /// Hands the key over and queues; or goes on, if nobody who is alive waits.
    ///
    /// Whether those are alive whose entries are not known cannot be told, nor can they be granted the key.
    /// So they count as waiting: a key that went on for ever in one process would never be free for them. It is freed,
    /// as by a release, and they find that when they look; and nothing waits for them, in case they are gone.
    pub fn rotate(&mut self, now: Moment, rotation: &Rotate) -> Rotated {
        self.forget_some(now);
        let Some(expiry) = self.held_by(now, &rotation.key, rotation.token) else { return Rotated::NotOurs };
        let next = self.next(now, &rotation.key, None);
        if let Some(heir) = next.heir {
            self.hand_over(now, &rotation.key, &heir);
            self.stand_in_line(now, &rotation.key, rotation.next, &rotation.entry);
            return Rotated::HandedOver { clock: self.reading(now) };
        }
        if next.stepped_over > 0 {
            self.locks.take(now, &rotation.key);
            return Rotated::Freed;
        }
        self.locks.set(&rotation.key, Some(rotation.token), expiry.max(now + rotation.ttl));
        Rotated::Retained { fence: self.mint(rotation.fences) }
    }

    /// Who holds the key and who waits; nothing changes by it. It keeps no cards, as nothing it does depends on them.
    pub fn inspect(&self, now: Moment, key: &LockKey) -> Inspection {
        let holding = |(holder, expiry): (&Option<Token>, Moment)| {
            Holding::new(holder.map_or(Owner::Kept(None), Owner::Token), Some(expiry.since(now)))
        };
        let waiting =
            |waiter: &Waiter| Waiting::new(Some(waiter.token), is_known(&waiter.entry).then_some(Kind::Exclusive));
        let queue = self.queues.get(now, key);
        Inspection::new()
            .with_holders(self.locks.get(now, key).map(holding).into_iter().collect())
            .with_waiters(queue.map(|(queue, _)| queue.waiters().map(waiting).collect()).unwrap_or_default())
    }

    /// From now on somebody listens under this name, once more.
    pub fn listen(&mut self, listener: ListenerId) {
        self.listening.push(listener);
    }

    /// One who listened under this name no longer does.
    pub fn unsubscribe(&mut self, listener: ListenerId) {
        if let Some(at) = self.listening.iter().position(|listening| *listening == listener) {
            self.listening.swap_remove(at);
        }
    }

    /// What is to be told since the last call, and to whom, in order; nobody may be listening.
    pub fn take_grants(&mut self) -> Vec<(ListenerId, Grant)> {
        std::mem::take(&mut self.grants)
    }

    /// When the key expires, if this token holds it.
    fn held_by(&self, now: Moment, key: &LockKey, token: Token) -> Option<Moment> {
        self.locks.get(now, key).filter(|(holder, _)| **holder == Some(token)).map(|(_, expiry)| expiry)
    }

    /// The same, without the comparison if that fault is planted.
    fn held_by_unless(&self, fault: Mutant, now: Moment, key: &LockKey, token: Token) -> Option<Moment> {
        self.locks
            .get(now, key)
            .filter(|(holder, _)| **holder == Some(token) || planted(fault))
            .map(|(_, expiry)| expiry)
    }

    fn grant(&mut self, key: &LockKey, token: Token, expiry: Moment, fences: u32) -> Acquired {
        self.locks.set(key, Some(token), expiry);
        Acquired::Granted { fence: self.mint(fences) }
    }

    /// Takes the next to have the key out of its queue: the first who is alive, or who asks. The dead before are gone.
    fn next(&mut self, now: Moment, key: &LockKey, asks: Option<Token>) -> Next {
        let Some((mut queue, expiry)) = self.queues.take(now, key) else { return Next::default() };
        let next = queue.first(|waiter| {
            let listens = || self.listening.contains(&waiter.entry.listener);
            Some(waiter.token) == asks
                || listens()
                || waiter.mark.is_some_and(|mark| now < mark)
                || planted(Mutant::DeadWaiterNotSkipped)
        });
        self.put(key, queue, expiry);
        if planted(Mutant::ToldAtReplica) {
            self.tell_at_replica(now, key, &next.passed_over);
        }
        next
    }

    /// Makes the key a waiter's, and lets its listener know.
    fn hand_over(&mut self, now: Moment, key: &LockKey, heir: &Waiter) {
        let Waiter { token, entry: Entry { listener, first_lease, fences, .. }, .. } = heir.clone();
        self.locks.set(key, Some(token), now + first_lease);
        let fence = self.mint(fences);
        let grant = Grant { key: key.clone(), token, fence, fences, first_lease, clock: self.reading(now) };
        self.grants.push((listener, grant));
    }

    fn stand_in_line(&mut self, now: Moment, key: &LockKey, token: Token, entry: &Entry) {
        let lasts = entry.lasts.unwrap_or_default().clamp(QUEUE_LASTS, LONGEST_ALIVE);
        let (mut queue, expiry) = self.queues.take(now, key).unwrap_or((Queue::default(), now));
        queue.enqueue(now, self.shown(now), token, entry);
        self.put(key, queue, expiry.max(now + lasts));
    }

    fn leave(&mut self, now: Moment, key: &LockKey, token: Token) {
        if let Some((mut queue, expiry)) = self.queues.take(now, key) {
            queue.leave(token);
            self.put(key, queue, expiry);
        }
    }

    fn put(&mut self, key: &LockKey, queue: Queue, expiry: Moment) {
        if !queue.is_empty() {
            self.queues.set(key, queue, expiry);
        }
    }

    /// Reserves fences; says the first.
    fn mint(&mut self, fences: u32) -> u64 {
        let first = self.last_fence + 1;
        self.last_fence += u64::from(fences);
        first
    }

    fn reading(&self, now: Moment) -> ClockReading {
        ClockReading::new(self.clock.id, self.shown(now))
    }

    /// What its clock shows, in microseconds.
    fn shown(&self, now: Moment) -> u64 {
        (now + self.clock.ahead).nanos() / 1_000
    }

    fn forget_some(&mut self, now: Moment) {
        self.locks.forget_some(now);
        self.queues.forget_some(now);
    }

    // What may befall a store, for those who doubt: it forgets, it is tampered with, and it loses its connections.

    /// What a store does that may have forgotten, before anybody is granted anything: no fence is below its clock.
    pub fn raise(&mut self, now: Moment) {
        if !planted(Mutant::PlainFenceCounter) {
            self.last_fence = self.last_fence.max(self.shown(now));
        }
    }

    /// Grants to those who were passed over, as a server tells of them that publishes before it counts who heard: a
    /// replica hands the message on.
    pub(super) fn tell_at_replica(&mut self, now: Moment, key: &LockKey, passed_over: &[Waiter]) {
        for Waiter { token, entry: Entry { listener, first_lease, fences, .. }, .. } in passed_over.iter().cloned() {
            let fence = self.mint(fences);
            let grant = Grant { key: key.clone(), token, fence, fences, first_lease, clock: self.reading(now) };
            self.told_at_replica.push((listener, grant));
        }
    }

    /// What is to be told by a replica since the last call; nothing, unless that fault is planted.
    pub fn take_told_at_replica(&mut self) -> Vec<(ListenerId, Grant)> {
        std::mem::take(&mut self.told_at_replica)
    }

    /// From now on it is another server, whose clock shows so much more than the time. When leases end does not change:
    /// a server counts what is left of them.
    pub fn read_clock(&mut self, id: ClockId, ahead: Duration) {
        self.clock = Clock { id, ahead };
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
        self.queues
            .get(now, key)
            .map(|(queue, _)| queue.waiters().map(|waiter| waiter.token).collect())
            .unwrap_or_default()
    }

    /// Whether somebody listens under this name.
    pub fn is_listened_to(&self, listener: ListenerId) -> bool {
        self.listening.contains(&listener)
    }

    /// When something about this key changes by itself: it expires, its queue does, or a waiter counts as alive no
    /// longer.
    pub fn changes(&self, now: Moment, key: &LockKey) -> Vec<Moment> {
        let queue = self.queues.get(now, key);
        let marks = queue.into_iter().flat_map(|(queue, expiry)| queue.marks().chain([expiry]));
        marks.chain(self.locks.get(now, key).map(|(_, expiry)| expiry)).collect()
    }

    /// Forgets all that has expired, which nobody can tell from a store that has not yet.
    pub fn forget_expired(&mut self, now: Moment) {
        self.locks.forget_all(now);
        self.queues.forget_all(now);
    }

    /// Shows its names, but those of grants that were not taken yet.
    pub fn show_names(&mut self, names: &mut impl Names) {
        self.locks.show_names(names, |holder, names| holder.iter_mut().for_each(|token| names.token(token)));
        self.queues.show_names(names, Queue::show_names);
        names.fence(&mut self.last_fence);
    }
}

#[cfg(test)]
mod tests;
