//! What must be true of a store after each operation, where holders hold beside each other.
//!
//! It works out for itself who fits, from whom the store says that they hold and wait. Absent on purpose: whether what
//! holds at the store is held by a body.

use lock_core::key::{AcquireRequest, ReleaseReply, ReleaseRequest};
use lock_core::store::model::Model;
use lock_core::store::{Acquired, Inspection, Kind, Released, Renewed, Rotated, Token};
use lock_core::{LockKey, Moment};

use crate::request::{Reply, Request};

/// A key as it was before an operation.
#[derive(Debug)]
pub(crate) struct Before {
    key: LockKey,
    holders: Vec<(Token, Moment)>,
    waiters: Vec<Token>,
}

/// What an operation did.
pub(crate) struct Done<'a> {
    /// Who asked.
    by: Token,
    /// All who asked with it, in one batch.
    all: Vec<Token>,
    /// Whether the answer says that it holds.
    is_told: bool,
    /// Those whose listeners are told that they hold.
    told: &'a [Token],
    /// Whether it has to let in whoever fits at the head of the queue.
    advances: bool,
    /// Whether the one who asks may pass the queue, as the first request of an exclusive lock does, or stands in a place
    /// that it had before.
    passes: bool,
}

/// What may be wrong afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The lock of somebody else was changed.
    Touched,
    /// Somebody has the key who is not told.
    Untold,
    /// Those who hold may not hold beside each other.
    Unfit,
    /// Somebody has the key who came behind another that waits for it.
    Passed,
    /// The first who waits fits, and waits on.
    Waits,
}

impl Wrong {
    /// It was an operation of this name, on this key.
    pub(crate) fn told(self, name: &str, key: &LockKey) -> String {
        match self {
            Self::Touched => format!("a {name} touched the lock of somebody else on {key}"),
            Self::Untold => format!("a {name} gave {key} to somebody who is not told"),
            Self::Unfit => format!("after a {name} {key} is held by those who may not hold it beside each other"),
            Self::Passed => format!("a {name} gave {key} to one who came behind another that waits for it"),
            Self::Waits => format!("after a {name} the first who waits for {key} fits, and waits on"),
        }
    }
}

impl<'a> Done<'a> {
    /// What a request did for the one who asked and for others; with whether the one who asks stood in the queue.
    pub(crate) fn new(request: &Request, (by, stands): (Token, bool), reply: &Reply, told: &'a [Token]) -> Self {
        let is_told = match reply {
            Reply::Acquired(Acquired::Granted { .. })
            | Reply::Released(ReleaseReply::Rotated(Rotated::Retained { .. })) => true,
            Reply::Renewed(_) | Reply::Acquired(_) | Reply::Released(_) => false,
        };
        let advances = match (request, reply) {
            (Request::Ask(AcquireRequest::Ask(ask)), _) => ask.kind != Kind::Exclusive,
            (Request::Ask(_), _) => true,
            (Request::Downgrade(_), Reply::Renewed(answers)) => matches!(answers[..], [Ok(Renewed::Renewed)]),
            (Request::Release(ReleaseRequest::Release(release)), Reply::Released(ReleaseReply::Released(released))) => {
                let is_freed = *released == Released::Freed;
                is_freed && release.keep.is_none() || !is_freed && release.leave.is_some()
            }
            _ => false,
        };
        let passes = match request {
            Request::Ask(AcquireRequest::Ask(ask)) => ask.kind == Kind::Exclusive,
            Request::Ask(AcquireRequest::Enqueue(enqueue)) => !stands && enqueue.entry.since.is_some(),
            _ => false,
        };
        Self { by, all: request.about().map(|(_, token)| token).collect(), is_told, told, advances, passes }
    }
}

impl Before {
    pub(crate) fn new(model: &Model, now: Moment, key: &LockKey) -> Self {
        Self { key: key.clone(), holders: model.holders(now, key), waiters: model.waiters(now, key) }
    }

    pub(crate) fn is_held_by(&self, token: Token) -> bool {
        self.holders.iter().any(|(holder, _)| *holder == token)
    }

    /// Whether this token stands in the queue.
    pub(crate) fn has_queued(&self, token: Token) -> bool {
        self.waiters.contains(&token)
    }

    /// What is wrong afterwards, if anything is; `is_alive` says it of a waiter that this store has confirmed, and
    /// `came_before` whether it came before another.
    pub(crate) fn violation(
        &self,
        model: &Model,
        now: Moment,
        done: &Done<'_>,
        is_alive: impl Fn(Token) -> bool,
        came_before: impl Fn(Token, Token) -> bool,
    ) -> Option<Wrong> {
        let key = &self.key;
        let (holders, waiters) = (model.holders(now, key), model.waiters(now, key));
        if self.holders.iter().any(|before| !done.all.contains(&before.0) && !holders.contains(before)) {
            return Some(Wrong::Touched);
        }
        let nobody = Token::from_bits(0);
        let is_new = |token: Token| !self.is_held_by(token) && token != nobody;
        let new: Vec<Token> = holders.iter().map(|(token, _)| *token).filter(|token| is_new(*token)).collect();
        let is_told = |token: Token| done.told.contains(&token) || token == done.by && done.is_told;
        if new.iter().any(|token| !is_told(*token)) {
            return Some(Wrong::Untold);
        }
        let found = model.inspect(now, key);
        if !fit(&found) {
            return Some(Wrong::Unfit);
        }
        for token in new.iter().filter(|token| **token != done.by || !done.passes) {
            let stood_at = self.waiters.iter().position(|waiter| waiter == token);
            let earlier = &self.waiters[..stood_at.unwrap_or(self.waiters.len())];
            let is_passed = |waiter: &Token| is_alive(*waiter) && came_before(*waiter, *token);
            if earlier.iter().any(|waiter| waiters.contains(waiter) && is_passed(waiter)) {
                return Some(Wrong::Passed);
            }
        }
        // One who holds already asks for nothing but more time.
        let advances = done.advances && !(done.is_told && self.is_held_by(done.by));
        let first = waiters.first().copied().filter(|first| advances && is_alive(*first));
        let wants = found.waiters.first().and_then(|waiting| waiting.kind);
        (first.is_some() && wants.is_some_and(|kind| has_room(&found, kind))).then_some(Wrong::Waits)
    }
}

/// Whether those who hold may hold beside each other.
fn fit(found: &Inspection) -> bool {
    let mut kinds = found.holders.iter().filter_map(|holding| holding.kind);
    let Some(first) = kinds.next() else { return true };
    kinds.all(|kind| first.agrees_with(kind))
}

/// Whether one of this kind may hold beside those who do.
fn has_room(found: &Inspection, kind: Kind) -> bool {
    let kinds = || found.holders.iter().filter_map(|holding| holding.kind);
    let taken: u32 = kinds().map(Kind::weight).sum();
    let is_full = matches!(kind, Kind::Permits { most, weight, .. } if taken + weight > most);
    found.holders.is_empty() || kinds().all(|of| of.agrees_with(kind)) && !is_full
}

/// Whether a try was refused although there was room and nobody waited.
pub(crate) fn is_refused_in_vain(model: &Model, now: Moment, key: &LockKey, kind: Kind) -> bool {
    let found = model.inspect(now, key);
    found.waiters.is_empty() && has_room(&found, kind)
}
