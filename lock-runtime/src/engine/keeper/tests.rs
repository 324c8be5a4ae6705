//! A panic of foreign code on the keeper's thread, a store's or a subscriber's, keeps it from nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::executor::block_on;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::Client;
use crate::engine::handle::Handle;
use crate::engine::shared::Bounds;
use crate::store::{
    Acquired, Ask, ListenerId, Look, MemoryStore, Release, Released, Renewal, Renewed, Session, Store, StoreFuture,
};
use lock_core::key::Settings;

/// Even what takes no time may take some on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Panics so often when it opens a session, and so often when a session is asked whether it listens.
#[derive(Debug)]
struct Panicky {
    store: MemoryStore,
    on_open: AtomicU32,
    on_listens: Arc<AtomicU32>,
}

impl Panicky {
    fn new(on_open: u32, on_listens: u32) -> Self {
        let (on_open, on_listens) = (AtomicU32::new(on_open), Arc::new(AtomicU32::new(on_listens)));
        Self { store: MemoryStore::new(), on_open, on_listens }
    }
}

/// Panics, if it is to.
fn panic_if_left(left: &AtomicU32) {
    let fewer = |left: u32| left.checked_sub(1);
    assert!(left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_err(), "for a test");
}

impl Store for Panicky {
    fn identity(&self) -> &str {
        self.store.identity()
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        panic_if_left(&self.on_open);
        let session = PanickySession(self.store.session().expect("memory has one"), Arc::clone(&self.on_listens));
        Box::pin(std::future::ready(Ok(Arc::new(session) as Arc<dyn Session>)))
    }
}

#[derive(Debug)]
struct PanickySession(Arc<dyn Session>, Arc<AtomicU32>);

impl Session for PanickySession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.0.acquire(ask)
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.0.look(look)
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        self.0.renew(batch)
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.0.release(release)
    }

    fn listens(&self) -> bool {
        panic_if_left(&self.1);
        false
    }

    fn is_open(&self) -> bool {
        true
    }
}

fn shared(store: Panicky) -> Arc<Shared> {
    let settings = Settings {
        operation_timeout: SOON,
        listener: ListenerId::from_bits(1),
        local_handover: true,
        capabilities: store.capabilities(),
    };
    Shared::new(Arc::new(store), Bounds { default_ttl: SOON, release_timeout: SOON }, settings)
}

/// The first attempt fails and says so. A later one succeeds, and carries a request from outside any runtime.
fn opens_later(store: Panicky) {
    let shared = shared(store);
    let first_try = start(&shared).expect("a thread starts");
    let client = Client::new(Handle::new(shared));
    let runtime = Builder::new_current_thread().enable_time().build().expect("it starts");
    let outcome = runtime.block_on(async { timeout(SOON, first_try).await }).expect("the attempt comes to an end");
    let outcome = outcome.expect("the keeper says so");
    assert_eq!(outcome.expect_err("it panicked").kind(), StoreErrorKind::Disconnected);
    drop(block_on(client.lock("a").acquire()).expect("it is free"));
}

#[test]
fn a_store_that_panics_while_a_session_is_opened_is_tried_again() {
    opens_later(Panicky::new(1, 0));
    opens_later(Panicky::new(0, 1));
}

#[test]
fn a_subscriber_that_panics_keeps_the_keeper_from_no_further_attempt() {
    let mut keeper = Keeper::new(shared(Panicky::new(0, 0)), None);
    assert!(keeper.walk.begin_to_open(clock::now()));
    with_default(Loud, || keeper.opened(Err(StoreError::no_answer())));
    assert!(keeper.walk.begin_to_open(clock::now() + SOON));
}

/// A subscriber that panics at every event.
struct Loud;

impl Subscriber for Loud {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        panic!("for a test");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
