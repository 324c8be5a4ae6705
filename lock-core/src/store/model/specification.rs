//! The specification of every store, as a value.
//!
//! Time is an argument, an operation is one call, and a call that hands a key over puts a grant where
//! [`take_grants`](Model::take_grants) finds it. It is the shortest store and by definition right; what another store
//! answers must agree with it. What must stay true: every grant of a key goes through `mint`, an empty queue leaves
//! nothing, and each operation forgets more than it can add. Absent on purpose: errors, and who carries grants out.

use std::time::Duration;

use super::expiring::Expiring;
use super::locks::Locks;
use super::queue::{Queue, Waiter, is_known};
use crate::planted::{Mutant, planted};
use crate::store::LONGEST_ALIVE;
use crate::store::LockKey;
use crate::store::Moment;
use crate::store::{
    Acquired, Ask, Capabilities, ClockId, ClockReading, Downgrade, Enqueue, Entry, Grant, Inspection, Kind, ListenerId,
    Look, MOST_HEIRS, Names, Release, Released, Renewal, Renewed, Rotate, Rotated, Token, Waiting,
};

/// How long a queue outlasts the last operation that put somebody there, or found that it stands there, at least.
const QUEUE_LASTS: Duration = Duration::from_secs(30);

/// All locks of one namespace, and those who wait for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Model {
    locks: Locks,
    queues: Expiring<Queue>,
    /// As often as it was told to listen, so that the end of one session does not end the next.
    listening: Vec<ListenerId>,
    grants: Vec<(ListenerId, Grant)>,
    told_at_replica: Vec<(ListenerId, Grant)>,
    last_fence: u64,
    clock: Clock,
}

/// How far a queue has advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advanced {
    /// To the one who asks, who may have the key.
    ToAsker,
    /// To the end: whoever asks without standing there passes nobody.
    ToTheEnd,
    /// To one who is alive and finds no room.
    NoFurther,
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
    /// What it is asked for; it leaves entries of another version in their places.
    pub const CAPABILITIES: Capabilities = Capabilities::new()
        .with_queues()
        .with_fence_blocks()
        .with_inspection()
        .with_shared()
        .with_weights()
        .with_done_marks();

    /// Takes the key if it is free. Whoever holds it, be it this very token, the answer is `Held`. One of a set of
    /// holders asks as by a look, since who is free to come is a question of the queue, too.
    pub fn acquire(&mut self, now: Moment, ask: &Ask) -> Acquired {
        let Ask { key, token, ttl, kind, time_left } = ask;
        if *kind != Kind::Exclusive {
            let look = Look { key: key.clone(), token: *token, ttl: *ttl, fences: 1, kind: *kind };
            return self.look(now, &look);
        }
        self.forget_some(now);
        if let Some(expiry) = self.locks.held_until(now, key, *kind) {
            if let Some(until) = self.locks.done_until(now, key).filter(|_| *time_left) {
                return Acquired::done(until.since(now));
            }
            let for_at_most = time_left.then(|| expiry.since(now));
            return Acquired::Held { for_at_most, queued_at: None };
        }
        self.grant(now, key, (*token, *kind), now + *ttl, 1)
    }

    /// Takes the key if it is held by this token, or by nobody or those who agree, with room for one more, and nobody
    /// who is alive stands before it.
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
        let Look { key, token, ttl, fences, kind } = look;
        if let Some(expiry) = self.locks.held_by(now, key, *token) {
            if entry.is_some() {
                self.leave(now, key, *token);
            }
            self.locks.lengthen(now, key, *token, expiry.max(now + *ttl));
            return Acquired::granted(self.mint(*fences));
        }
        if let Some(until) = self.locks.done_until(now, key) {
            self.leave(now, key, *token);
            return Acquired::done(until.since(now));
        }
        if let Some(entry) = entry {
            self.stand_in_line(now, key, *token, entry);
        }
        let passes = planted(Mutant::QueuePassed) && *kind != Kind::Exclusive;
        let may = match self.advance(now, key, Some(*token), true) {
            Advanced::ToAsker => true,
            Advanced::ToTheEnd => self.locks.has_room(now, key, *kind),
            Advanced::NoFurther => passes && self.locks.has_room(now, key, *kind),
        };
        if may {
            // An entry that is not known is not the next in line, and its own token's all the same.
            if entry.is_some() {
                self.leave(now, key, *token);
            }
            let granted = self.grant(now, key, (*token, *kind), now + *ttl, *fences);
            self.advance(now, key, None, false);
            return granted;
        }
        let for_at_most = self.locks.held_until(now, key, *kind).map(|until| until.since(now));
        Acquired::Held { for_at_most, queued_at: entry.map(|_| self.reading(now)) }
    }

    /// Moves the expiry of this token's lease to `ttl` from now, if that is later.
    pub fn renew(&mut self, now: Moment, renewal: &Renewal) -> Renewed {
        self.forget_some(now);
        let Renewal { key, token, ttl, .. } = renewal;
        if let Some(expiry) = self.locks.held_by(now, key, *token) {
            self.locks.lengthen(now, key, *token, expiry.max(now + *ttl));
            return Renewed::Renewed;
        }
        if planted(Mutant::RenewWithoutCompare)
            && let Some(expiry) = self.locks.held_until(now, key, Kind::Exclusive)
        {
            self.overwrite(key, *token, expiry.max(now + *ttl));
            return Renewed::Renewed;
        }
        Renewed::NotOurs
    }

    /// Makes an exclusive lease a shared one in one step, and lets those in who find room beside it.
    pub fn downgrade(&mut self, now: Moment, downgrade: &Downgrade) -> Renewed {
        self.forget_some(now);
        let Downgrade { key, token, ttl } = downgrade;
        let Some(expiry) = self.locks.held_by(now, key, *token) else { return Renewed::NotOurs };
        if !self.locks.downgrade(now, key) {
            return Renewed::NotOurs;
        }
        self.locks.lengthen(now, key, *token, expiry.max(now + *ttl));
        self.advance(now, key, None, false);
        Renewed::Renewed
    }

    /// Takes the token out of the queue if it says so, and its lease from it: its place goes to those who find room
    /// then, or is kept from everybody until `keep` from now, be that sooner or later than its expiry was, and as done
    /// if it says so.
    pub fn release(&mut self, now: Moment, release: &Release) -> Released {
        self.forget_some(now);
        let Release { key, token, keep, done, leave, .. } = release;
        if leave.is_some() {
            self.leave(now, key, *token);
        }
        let is_held = self.locks.held_by(now, key, *token).is_some();
        let is_freed = is_held || (planted(Mutant::ReleaseWithoutCompare) && self.locks.is_held(now, key));
        if let (Some(keep), true) = (keep, is_held) {
            if *done && !self.locks.may_have_room(now, key) {
                self.locks.mark_done(now, key, now + *keep);
            } else {
                self.locks.keep(now, key, *token, now + *keep);
            }
            return Released::Freed;
        }
        if is_freed {
            self.locks.release(now, key, *token);
        }
        if is_freed || (leave.is_some() && !planted(Mutant::LeavingChangesNothing)) {
            self.advance(now, key, None, false);
        }
        if is_freed { Released::Freed } else { Released::NotOurs }
    }

    /// Hands the key over and queues; or goes on, if nobody who is alive waits. One of a set of holders does not.
    ///
    /// Whether those are alive whose entries are not known cannot be told, nor can they be granted the key.
    /// So they count as waiting: a key that went on for ever in one process would never be free for them. It is freed,
    /// as by a release, and they find that when they look; and nothing waits for them, in case they are gone.
    pub fn rotate(&mut self, now: Moment, rotation: &Rotate) -> Rotated {
        self.forget_some(now);
        let Rotate { key, token, ttl, fences, next, entry } = rotation;
        let Some(expiry) = self.locks.held_by(now, key, *token) else { return Rotated::NotOurs };
        if self.locks.may_have_room(now, key) {
            return Rotated::NotOurs;
        }
        let Some(holders) = self.locks.take(now, key) else { return Rotated::NotOurs };
        self.advance(now, key, None, false);
        if self.locks.is_held(now, key) {
            self.stand_in_line(now, key, *next, entry);
            return Rotated::HandedOver { clock: self.reading(now) };
        }
        if self.queues.get(now, key).is_some_and(|(queue, _)| queue.stepped_over() > 0) {
            return Rotated::Freed;
        }
        self.locks.put_back(key, holders);
        self.locks.lengthen(now, key, *token, expiry.max(now + *ttl));
        Rotated::Retained { fence: self.mint(*fences) }
    }

    /// Who holds the key and who waits; nothing changes by it. It keeps no cards, as nothing it does depends on them.
    pub fn inspect(&self, now: Moment, key: &LockKey) -> Inspection {
        let waiting =
            |waiter: &Waiter| Waiting::new(Some(waiter.token), is_known(&waiter.entry).then_some(waiter.entry.kind));
        let queue = self.queues.get(now, key);
        Inspection::new()
            .with_holders(self.locks.inspect(now, key))
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

    fn grant(&mut self, now: Moment, key: &LockKey, holder: (Token, Kind), expiry: Moment, fences: u32) -> Acquired {
        self.locks.hold(now, key, holder, expiry);
        Acquired::granted(self.mint(fences))
    }

    /// Gives the key to those at the head of its queue who find room, one after the other; the dead among them are
    /// gone. If it reaches the one who asks, that one is taken out. If it `probes`, a head that finds no room is gone if
    /// it is dead, so that those behind it may have what there is.
    fn advance(&mut self, now: Moment, key: &LockKey, asks: Option<Token>, probes: bool) -> Advanced {
        let mut heirs = 0;
        while self.locks.may_have_room(now, key) && heirs < MOST_HEIRS {
            let Some((mut queue, expiry)) = self.queues.take(now, key) else { return Advanced::ToTheEnd };
            let Some(first) = queue.first() else {
                self.put(key, queue, expiry);
                return Advanced::ToTheEnd;
            };
            let (is_asker, kind) = (Some(first.waiter.token) == asks, first.waiter.entry.kind);
            let is_alive = is_asker || self.is_alive(now, &first.waiter);
            let finds_room = self.locks.has_room(now, key, kind);
            if !finds_room && (is_alive || !probes) {
                self.put(key, queue, expiry);
                return Advanced::NoFurther;
            }
            let waiter = queue.remove(first);
            self.put(key, queue, expiry);
            match (finds_room, is_alive) {
                (true, true) if is_asker => return Advanced::ToAsker,
                (true, true) => {
                    self.hand_over(now, key, &waiter);
                    heirs += 1;
                }
                (true, false) => self.pass_over(now, key, &waiter),
                (false, _) => {}
            }
        }
        Advanced::NoFurther
    }

    /// Whether somebody listens for this waiter, or it looks by itself.
    fn is_alive(&self, now: Moment, waiter: &Waiter) -> bool {
        self.listening.contains(&waiter.entry.listener)
            || waiter.mark.is_some_and(|mark| now < mark)
            || planted(Mutant::DeadWaiterNotSkipped)
    }

    /// One who is dead is not the heir.
    fn pass_over(&mut self, now: Moment, key: &LockKey, waiter: &Waiter) {
        let Entry { kind, first_lease, .. } = waiter.entry;
        if planted(Mutant::HeirNobodyHearsKept) && kind != Kind::Exclusive {
            self.locks.hold(now, key, (waiter.token, kind), now + first_lease);
        }
        if planted(Mutant::ToldAtReplica) {
            self.tell_at_replica(now, key, waiter);
        }
    }

    /// Makes the key a waiter's, and lets its listener know.
    fn hand_over(&mut self, now: Moment, key: &LockKey, heir: &Waiter) {
        let Waiter { token, entry: Entry { listener, first_lease, fences, kind, .. }, fence, .. } = heir.clone();
        self.locks.hold(now, key, (token, kind), now + first_lease);
        let fence = fence.unwrap_or_else(|| self.mint(fences));
        let grant = Grant { key: key.clone(), token, fence, fences, first_lease, clock: self.reading(now) };
        self.grants.push((listener, grant));
    }

    fn stand_in_line(&mut self, now: Moment, key: &LockKey, token: Token, entry: &Entry) {
        let lasts = entry.lasts.unwrap_or_default().clamp(QUEUE_LASTS, LONGEST_ALIVE);
        let (mut queue, expiry) = self.queues.take(now, key).unwrap_or((Queue::default(), now));
        let fence = (planted(Mutant::FenceAtEnqueue) && !queue.has(token)).then(|| self.mint(entry.fences));
        queue.enqueue((now, self.shown(now)), token, entry, fence);
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

    /// A grant to one who was passed over, as a server tells of it that publishes before it counts who heard: a replica
    /// hands the message on.
    fn tell_at_replica(&mut self, now: Moment, key: &LockKey, passed_over: &Waiter) {
        let Waiter { token, entry: Entry { listener, first_lease, fences, .. }, .. } = *passed_over;
        let fence = self.mint(fences);
        let grant = Grant { key: key.clone(), token, fence, fences, first_lease, clock: self.reading(now) };
        self.told_at_replica.push((listener, grant));
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
        self.locks.overwrite(key, token, expiry);
    }

    /// Who holds the key, and until when; `NOBODY` where a place is kept.
    pub fn holders(&self, now: Moment, key: &LockKey) -> Vec<(Token, Moment)> {
        self.locks.holders(now, key)
    }

    /// The first of them.
    pub fn holder(&self, now: Moment, key: &LockKey) -> Option<(Token, Moment)> {
        self.holders(now, key).first().copied()
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
        marks.chain(self.holders(now, key).into_iter().map(|(_, expiry)| expiry)).collect()
    }

    /// Forgets all that has expired, which nobody can tell from a store that has not yet.
    pub fn forget_expired(&mut self, now: Moment) {
        self.locks.forget_all(now);
        self.queues.forget_all(now);
    }

    /// Shows its names, but those of grants that were not taken yet.
    pub fn show_names(&mut self, names: &mut impl Names) {
        self.locks.show_names(names);
        self.queues.show_names(names, Queue::show_names);
        names.fence(&mut self.last_fence);
    }
}

#[cfg(test)]
mod tests;
