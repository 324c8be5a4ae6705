//! A process with waiters: a session with a listener, and the grants that it received.
//!
//! Absent on purpose: waiting for nothing to happen. Whether a token was granted a key is tested by a renewal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::trial::{Broken, LONG, PATIENCE, Trial, ensure, expect, past, random};
use crate::store::{
    Acquired, Enqueue, Entry, Grant, Listener, ListenerId, Release, Released, Renewed, Rotate, Rotated, Session, Token,
};
use lock_core::LockKey;

/// A process with waiters.
pub(super) struct Process {
    listener: ListenerId,
    /// Listens for as long as it exists.
    _session: Arc<dyn Session>,
    received: UnboundedReceiver<Grant>,
}

impl Process {
    /// Waits for the next grant that its listener receives.
    pub(super) async fn receives(&mut self) -> Result<Grant, Broken> {
        match tokio::time::timeout(PATIENCE, self.received.recv()).await {
            Ok(Some(grant)) => Ok(grant),
            Ok(None) => Err(Broken("the listener was dropped before its session".to_owned())),
            Err(_) => Err(Broken(format!("the listener received no grant for {PATIENCE:?}"))),
        }
    }

    /// The entry of its waiters: with a long first lease, alive as long as the process listens.
    pub(super) fn entry(&self) -> Entry {
        self.entry_for(LONG)
    }

    /// The same, granted for that long.
    pub(super) fn entry_for(&self, first_lease: Duration) -> Entry {
        Entry::new(self.listener, first_lease).with_fences(4)
    }
}

/// An entry with a listener that nobody listens under.
pub(super) fn without_listener() -> Entry {
    without_listener_for(LONG)
}

/// The same, granted for that long.
pub(super) fn without_listener_for(first_lease: Duration) -> Entry {
    Entry::new(ListenerId::from_bits(random()), first_lease).with_fences(4)
}

impl Trial {
    /// A process with a new listener.
    pub(super) async fn process(&self) -> Result<Process, Broken> {
        self.process_of(ListenerId::from_bits(random())).await
    }

    /// A process with this listener, which others may share.
    pub(super) async fn process_of(&self, listener: ListenerId) -> Result<Process, Broken> {
        let (send, received) = unbounded_channel();
        let session = self.store.listen(Listener::new(listener, move |grant| send.send(grant).is_ok())).await?;
        ensure(session.listens(), || "the store queues, but sends its listener no grants".to_owned())?;
        Ok(Process { listener, _session: session, received })
    }

    /// Looks with an entry.
    pub(super) async fn look_as(&self, token: Token, entry: &Entry) -> Result<Acquired, Broken> {
        self.look_at(&self.key, token, entry).await
    }

    /// Queues for the key, which must be held. Whatever queues after this has a later place by the store's clock.
    pub(super) async fn queue(&self, token: Token, entry: &Entry) -> Result<u64, Broken> {
        self.queue_for(&self.key, token, entry).await
    }

    /// The same for any key.
    pub(super) async fn queue_for(&self, key: &LockKey, token: Token, entry: &Entry) -> Result<u64, Broken> {
        let queued_at = queued(self.look_at(key, token, entry).await?)?;
        // Once the store's clock has advanced, nothing else gets a place in the same microsecond.
        while queued(self.look_at(key, token, entry).await?)? == queued_at {}
        Ok(queued_at)
    }

    async fn look_at(&self, key: &LockKey, token: Token, entry: &Entry) -> Result<Acquired, Broken> {
        let enqueue = Enqueue::new(key.clone(), token, LONG, entry.clone()).with_fences(4);
        Ok(self.session.enqueue(enqueue).await?)
    }

    /// Rotates: hands the key to the first waiter, and `next` queues with `entry` behind the others.
    pub(super) async fn rotate(
        &self,
        token: Token,
        ttl: Duration,
        next: Token,
        entry: &Entry,
    ) -> Result<Rotated, Broken> {
        let rotation = Rotate::new(self.key.clone(), token, ttl, next, entry.clone()).with_fences(4);
        Ok(self.session.rotate(rotation).await?)
    }

    /// Takes a token out of the queue, and releases the key if the token holds it.
    pub(super) async fn leave(&self, token: Token, entry: &Entry) -> Result<Released, Broken> {
        let release = Release::new(self.key.clone(), token).with_leave(Some(entry.clone())).with_contended(true);
        Ok(self.session.release(release).await?)
    }

    /// A release, which must free the key or hand it over.
    pub(super) async fn releases(&self, token: Token) -> Result<(), Broken> {
        expect(self.release(token, None).await?, Released::Freed, "a release by the holder")
    }

    /// Ends the holder's lease by expiry, so that the key is free although others wait.
    pub(super) async fn abandons(&self, token: Token) -> Result<(), Broken> {
        let keep = Duration::from_millis(50);
        expect(self.release(token, Some(keep)).await?, Released::Freed, "a release by the holder")?;
        past(keep).await;
        Ok(())
    }

    /// This token must hold the key.
    pub(super) async fn is_held_by(&self, token: Token, when: &str) -> Result<(), Broken> {
        expect(self.renew(token, LONG).await?, Renewed::Renewed, when)
    }

    /// This token must not hold the key.
    pub(super) async fn is_not_held_by(&self, token: Token, when: &str) -> Result<(), Broken> {
        expect(self.renew(token, LONG).await?, Renewed::NotOurs, when)
    }

    /// The release of `from` must hand the key to `to`, whose process must receive the grant.
    pub(super) async fn hands_over(&self, from: Token, to: Token, process: &mut Process) -> Result<Grant, Broken> {
        self.releases(from).await?;
        self.is_granted(to, process).await
    }

    /// The next grant that the process receives must be of the key to this token, which must then hold it.
    pub(super) async fn is_granted(&self, token: Token, process: &mut Process) -> Result<Grant, Broken> {
        let grant = process.receives().await?;
        ensure(grant.token == token && grant.key == self.key, || {
            format!("another waiter was granted the key: {grant:?}")
        })?;
        self.is_held_by(token, "a renewal by a waiter that was granted the key").await?;
        Ok(grant)
    }
}

/// The store's clock in the answer to a look whose token must be in the queue.
fn queued(answer: Acquired) -> Result<u64, Broken> {
    match answer {
        Acquired::Held { queued_at: Some(clock), .. } => Ok(clock),
        other => Err(Broken(format!("a waiter's look at a held key: {other:?}"))),
    }
}
