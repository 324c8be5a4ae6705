//! Somebody who waits in queues: a session that listens, and all that its listener heard.
//!
//! Absent on purpose: waiting for a silence. Whether somebody was granted a key is asked by a renewal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::trial::{Broken, PATIENCE, Trial, ensure, expect, past, random};
use crate::store::{
    Acquired, Enqueue, Entry, Grant, Listener, ListenerId, Release, Released, Renewed, Rotate, Rotated, Session, Token,
};
use lock_core::LockKey;

/// What a release keeps a key for that is soon free.
const MOMENT: Duration = Duration::from_millis(50);

/// A process that waits.
pub(super) struct Process {
    listener: ListenerId,
    lasts: Duration,
    fences: u32,
    /// Listens for as long as it is there.
    _session: Arc<dyn Session>,
    heard: UnboundedReceiver<Grant>,
}

impl Process {
    /// Waits for the next grant that its listener hears of.
    pub(super) async fn hears(&mut self) -> Result<Grant, Broken> {
        match tokio::time::timeout(PATIENCE, self.heard.recv()).await {
            Ok(Some(grant)) => Ok(grant),
            Ok(None) => Err(Broken("the listener was dropped before its session".to_owned())),
            Err(_) => Err(Broken(format!("the listener heard of no grant for {PATIENCE:?}"))),
        }
    }

    /// Whether its listener has heard of no other grant so far.
    pub(super) fn has_heard_nothing(&self) -> bool {
        self.heard.is_empty()
    }

    /// What its waiters queue with: granted for a long time, alive as long as the process listens.
    pub(super) fn entry(&self) -> Entry {
        self.entry_for(self.lasts)
    }

    /// The same, granted for that long.
    pub(super) fn entry_for(&self, first_lease: Duration) -> Entry {
        Entry::new(self.listener, first_lease).with_fences(self.fences)
    }
}

impl Trial {
    /// What a waiter queues with for whom nobody listens.
    pub(super) fn unheard(&self) -> Entry {
        self.unheard_for(self.long)
    }

    /// The same, granted for that long.
    pub(super) fn unheard_for(&self, first_lease: Duration) -> Entry {
        Entry::new(ListenerId::from_bits(random()), first_lease).with_fences(self.fences)
    }

    /// Somebody who listens.
    pub(super) async fn process(&self) -> Result<Process, Broken> {
        self.process_of(ListenerId::from_bits(random())).await
    }

    /// Somebody who listens under this name, as others may.
    pub(super) async fn process_of(&self, listener: ListenerId) -> Result<Process, Broken> {
        let (hear, heard) = unbounded_channel();
        let session = self.store.listen(Listener::new(listener, move |grant| hear.send(grant).is_ok())).await?;
        ensure(session.listens(), || "it queues, and does not tell a listener of grants".to_owned())?;
        Ok(Process { listener, lasts: self.long, fences: self.fences, _session: session, heard })
    }

    /// Looks with an entry.
    pub(super) async fn look_as(&self, token: Token, entry: &Entry) -> Result<Acquired, Broken> {
        self.look_at(&self.key, token, entry).await
    }

    /// Queues for the key, which must be held. Whoever comes later, by the store's clock, stands behind.
    pub(super) async fn queue(&self, token: Token, entry: &Entry) -> Result<u64, Broken> {
        self.queue_for(&self.key, token, entry).await
    }

    /// The same for any key.
    pub(super) async fn queue_for(&self, key: &LockKey, token: Token, entry: &Entry) -> Result<u64, Broken> {
        let queued_at = queued(self.look_at(key, token, entry).await?)?;
        // Once the store's clock went on, nobody else comes in the same microsecond.
        while queued(self.look_at(key, token, entry).await?)? == queued_at {}
        Ok(queued_at)
    }

    async fn look_at(&self, key: &LockKey, token: Token, entry: &Entry) -> Result<Acquired, Broken> {
        let enqueue = Enqueue::new(key.clone(), token, self.long, entry.clone()).with_fences(self.fences);
        Ok(self.session.enqueue(enqueue).await?)
    }

    /// Gives the next in line its turn; `next` queues with `entry` behind the others.
    pub(super) async fn rotate(
        &self,
        token: Token,
        ttl: Duration,
        next: Token,
        entry: &Entry,
    ) -> Result<Rotated, Broken> {
        let rotation = Rotate::new(self.key.clone(), token, ttl, next, entry.clone()).with_fences(self.fences);
        Ok(self.session.rotate(rotation).await?)
    }

    /// Takes a token out of the queue, and releases the key if it has it.
    pub(super) async fn leave(&self, token: Token, entry: &Entry) -> Result<Released, Broken> {
        let release = Release::new(self.key.clone(), token).with_leave(Some(entry.clone())).with_contended(true);
        Ok(self.session.release(release).await?)
    }

    /// A release, which must free the key or hand it over.
    pub(super) async fn releases(&self, token: Token) -> Result<(), Broken> {
        expect(self.release(token, None).await?, Released::Freed, "a release by the holder")
    }

    /// Ends the holder's lease so that the key is free although others wait: by its expiry.
    pub(super) async fn abandons(&self, token: Token) -> Result<(), Broken> {
        let keep = if self.is_exact { MOMENT } else { self.short };
        expect(self.release(token, Some(keep)).await?, Released::Freed, "a release by the holder")?;
        past(keep).await;
        Ok(())
    }

    /// This token must hold the key.
    pub(super) async fn is_held_by(&self, token: Token, when: &str) -> Result<(), Broken> {
        expect(self.renew(token, self.long).await?, Renewed::Renewed, when)
    }

    /// This token must not hold the key.
    pub(super) async fn is_not_held_by(&self, token: Token, when: &str) -> Result<(), Broken> {
        expect(self.renew(token, self.long).await?, Renewed::NotOurs, when)
    }

    /// The release of this token must hand the key to that one, whose process hears of it.
    pub(super) async fn hands_over(&self, from: Token, to: Token, process: &mut Process) -> Result<Grant, Broken> {
        self.releases(from).await?;
        self.is_granted(to, process).await
    }

    /// The next that the process hears of must be a grant of the key to this token, who then holds it.
    pub(super) async fn is_granted(&self, token: Token, process: &mut Process) -> Result<Grant, Broken> {
        let grant = process.hears().await?;
        ensure(grant.token == token && grant.key == self.key, || format!("somebody else was granted: {grant:?}"))?;
        self.is_held_by(token, "a renewal by a waiter who was granted the key").await?;
        Ok(grant)
    }
}

/// When a look found its token in the queue, which it must have.
fn queued(answer: Acquired) -> Result<u64, Broken> {
    match answer {
        Acquired::Held { queued_at: Some(clock), .. } => Ok(clock.micros),
        other => Err(Broken(format!("a waiter's look at a held key: {other:?}"))),
    }
}
