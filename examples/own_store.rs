//! How do I keep locks in a place of my own?
//!
//! ```sh
//! cargo run -p examples --example own_store
//! cargo test -p examples --example own_store
//! ```
//!
//! The place here is a map behind a mutex; yours may be a database or a service. An operation is one step, atomic,
//! and harmless to repeat, and begins at its future's first poll; renewing, waiting and trying again are the
//! client's affair. The test runs all that a store promises against it. A store that keeps no queues, as this one,
//! leaves waiters to look now and then.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lock_runtime::store::{
    Acquired, Ask, Look, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreFuture, Token,
};
use lock_runtime::{Client, LockError, LockKey};

/// The store, and its sessions too, as there is nothing to connect to.
#[derive(Debug, Clone, Default)]
struct MapStore(Arc<Mutex<Locks>>);

/// Who holds what, and until when.
#[derive(Debug, Default)]
struct Locks {
    /// Who holds a key, and until when. One that is kept for a while after its release is held by nobody.
    held: HashMap<LockKey, (Option<Token>, Instant)>,
    last_fence: u64,
}

impl Locks {
    /// The holder of a key, as long as it holds it. One that expired is nobody.
    fn holder(&mut self, key: &LockKey) -> Option<&mut (Option<Token>, Instant)> {
        let now = Instant::now();
        self.held.retain(|_, (_, expiry)| now < *expiry);
        self.held.get_mut(key)
    }

    /// The holder's expiry, if the holder is this token.
    fn held_by(&mut self, key: &LockKey, token: Token) -> Option<&mut Instant> {
        self.holder(key).filter(|(holder, _)| *holder == Some(token)).map(|(_, expiry)| expiry)
    }

    /// Each grant has a greater fence than all before it.
    fn grant(&mut self, key: LockKey, token: Token, expiry: Instant, fences: u32) -> Acquired {
        self.held.insert(key, (Some(token), expiry));
        let fence = self.last_fence + 1;
        self.last_fence += u64::from(fences);
        Acquired::granted(fence)
    }

    fn acquire(&mut self, Ask { key, token, ttl, .. }: Ask) -> Acquired {
        match self.holder(&key) {
            Some(_) => Acquired::held(None),
            None => self.grant(key, token, Instant::now() + ttl, 1),
        }
    }

    fn look(&mut self, Look { key, token, ttl, fences, .. }: Look) -> Acquired {
        let now = Instant::now();
        match self.holder(&key).copied() {
            Some((holder, expiry)) if holder != Some(token) => Acquired::held(Some(expiry.duration_since(now))),
            Some((_, expiry)) => self.grant(key, token, expiry.max(now + ttl), fences),
            None => self.grant(key, token, now + ttl, fences),
        }
    }

    fn renew(&mut self, Renewal { key, token, ttl, .. }: &Renewal) -> Renewed {
        let Some(expiry) = self.held_by(key, *token) else { return Renewed::NotOurs };
        *expiry = (*expiry).max(Instant::now() + *ttl);
        Renewed::Renewed
    }

    fn release(&mut self, Release { key, token, keep, .. }: &Release) -> Released {
        if self.held_by(key, *token).is_none() {
            return Released::NotOurs;
        }
        // A key that is kept for no time at all has expired.
        self.held.insert(key.clone(), (None, Instant::now() + keep.unwrap_or_default()));
        Released::Freed
    }
}

impl MapStore {
    /// Does it all at the first poll, under the mutex.
    fn at_first_poll<T>(&self, operation: impl FnOnce(&mut Locks) -> T + Send + 'static) -> StoreFuture<T> {
        let locks = Arc::clone(&self.0);
        Box::pin(async move { operation(&mut locks.lock().unwrap_or_else(PoisonError::into_inner)) })
    }
}

impl Store for MapStore {
    /// There is one map in this program; if there were more, each would need a name of its own.
    fn identity(&self) -> &'static str {
        "map://example"
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let session: Arc<dyn Session> = Arc::new(self.clone());
        Box::pin(async move { Ok(session) })
    }
}

impl Session for MapStore {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |locks| Ok(locks.acquire(ask)))
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |locks| Ok(locks.look(look)))
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        self.at_first_poll(move |locks| batch.iter().map(|renewal| Ok(locks.renew(renewal))).collect())
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.at_first_poll(move |locks| Ok(locks.release(&release)))
    }

    fn is_open(&self) -> bool {
        true
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Two clients of one store stand for two processes.
    let store = MapStore::default();
    let ours = Client::builder().connect_store(store.clone()).await?;
    let theirs = Client::builder().connect_store(store).await?;

    let guard = ours.lock("job:42").acquire().await?;
    println!("we have job:42, fence {}", guard.fence());

    match theirs.lock("job:42").acquire().await {
        Err(LockError::Busy { .. }) => println!("they do not"),
        other => println!("they should be told that it is busy: {other:?}"),
    }

    let waiting = tokio::spawn(async move { theirs.lock("job:42").wait(Duration::from_secs(10)).acquire().await });
    guard.release().await?;
    println!("they waited and have it, fence {}", waiting.await??.fence());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::MapStore;

    #[tokio::test]
    async fn the_map_keeps_every_promise() {
        lock_runtime::conformance::check(MapStore::default()).await;
    }
}
