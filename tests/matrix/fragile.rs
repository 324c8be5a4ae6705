//! A store whose renewals panic, on the keeper's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use lock_runtime::store::{
    Acquired, Ask, Look, MemoryStore, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreFuture,
};
use lock_runtime::{Client, LossReason};

use crate::{SOON, TTL, loss_of, staying, until_renewed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_panics_is_a_loss_by_the_deadline_and_the_next_lock_is_renewed_again() {
    let fragile = Fragile { store: MemoryStore::new(), panics: Arc::default() };
    let panics = Arc::clone(&fragile.panics);
    let client = Client::builder().connect_store(fragile).await.expect("memory is always there");
    panics.store(true, Ordering::SeqCst);
    let (visit, run) = staying(&client, "fragile", TTL).await;
    let entered = Instant::now();
    assert_eq!(loss_of(run).await, LossReason::Expired);
    assert!(visit.left_at() < entered + TTL, "{:?}", visit.left_at() - entered);
    panics.store(false, Ordering::SeqCst);
    let guard = client.lock("fragile").ttl(TTL).wait(SOON).acquire().await.expect("nobody holds it");
    until_renewed(&guard).await;
}

/// A store whose renewals panic while they are told to.
#[derive(Debug)]
struct Fragile {
    store: MemoryStore,
    panics: Arc<AtomicBool>,
}

impl Store for Fragile {
    fn identity(&self) -> &str {
        self.store.identity()
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let (opening, panics) = (self.store.open(), Arc::clone(&self.panics));
        Box::pin(async move { Ok(Arc::new(FragileSession { session: opening.await?, panics }) as Arc<dyn Session>) })
    }
}

#[derive(Debug)]
struct FragileSession {
    session: Arc<dyn Session>,
    panics: Arc<AtomicBool>,
}

impl Session for FragileSession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.session.acquire(ask)
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.session.look(look)
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        assert!(!self.panics.load(Ordering::SeqCst), "a renewal that panics");
        self.session.renew(batch)
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.session.release(release)
    }

    fn is_open(&self) -> bool {
        self.session.is_open()
    }
}
