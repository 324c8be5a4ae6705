use std::time::Duration;

use super::*;
use crate::store::{
    Acquired, Ask, Capabilities, Card, ClientId, Downgrade, Enqueue, Inspection, Kind, Listener, Look, MemoryStore,
    Release, Released, Renewal, Renewed, Rotate, Rotated, Session, StoreError, StoreErrorKind, StoreFuture,
};
use lock_core::LockKey;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

#[test]
fn memory_keeps_every_promise() {
    run(check(MemoryStore::new()));
}

/// It tells nobody of grants, and owns up to keeping no queues or does not.
#[derive(Debug)]
struct Silent {
    queues: bool,
}

impl Store for Silent {
    fn identity(&self) -> &'static str {
        "silent://"
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        MemoryStore::new().open()
    }

    fn capabilities(&self) -> Capabilities {
        if self.queues { Capabilities::new().with_queues() } else { Capabilities::new() }
    }
}

fn check_queues(store: &Arc<dyn Store>) {
    run(async {
        for promise in promises().iter().filter(|promise| matches!(promise.needs, Needs::Queues)) {
            promise.check(Arc::clone(store)).await;
        }
    });
}

#[test]
fn a_store_without_queues_need_not_keep_their_promises() {
    check_queues(&(Arc::new(Silent { queues: false }) as Arc<dyn Store>));
}

#[test]
#[should_panic(expected = "it queues, and does not tell a listener of grants")]
fn a_store_with_queues_must() {
    check_queues(&(Arc::new(Silent { queues: true }) as Arc<dyn Store>));
}

#[derive(Debug)]
struct Broken;

impl Store for Broken {
    fn identity(&self) -> &'static str {
        "broken://"
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        Box::pin(async { Err(StoreError::new(StoreErrorKind::Refused, "out of order")) })
    }
}

#[test]
#[should_panic(expected = "`a_free_key_is_granted`: out of order")]
fn a_broken_promise_is_named() {
    run(check(Broken));
}

/// Memory that claims what it is told to, and refuses whatever else it is asked for.
#[derive(Debug, Clone)]
struct Strict {
    memory: MemoryStore,
    claims: Capabilities,
    /// It reserves one fence, whatever it is asked for.
    reserves_one: bool,
}

impl Strict {
    fn new(claims: Capabilities) -> Self {
        Self { memory: MemoryStore::new(), claims, reserves_one: false }
    }

    fn strict(&self, opening: StoreFuture<Opened>) -> StoreFuture<Opened> {
        let store = self.clone();
        Box::pin(async move { Ok(Arc::new(StrictSession { session: opening.await?, store }) as Arc<dyn Session>) })
    }
}

type Opened = Result<Arc<dyn Session>, StoreError>;

impl Store for Strict {
    fn identity(&self) -> &'static str {
        "strict://"
    }

    fn capabilities(&self) -> Capabilities {
        self.claims
    }

    fn open(&self) -> StoreFuture<Opened> {
        self.strict(self.memory.open())
    }

    fn listen(&self, listener: Listener) -> StoreFuture<Opened> {
        self.strict(self.memory.listen(listener))
    }
}

#[derive(Debug)]
struct StrictSession {
    session: Arc<dyn Session>,
    store: Strict,
}

/// Answers an operation if it was claimed.
fn if_claimed<T: Send + 'static>(
    is_claimed: bool,
    operation: StoreFuture<Result<T, StoreError>>,
) -> StoreFuture<Result<T, StoreError>> {
    let refused = || StoreError::new(StoreErrorKind::Refused, "it was asked for what it does not claim");
    if is_claimed { operation } else { Box::pin(async move { Err(refused()) }) }
}

impl StrictSession {
    fn may(&self, kind: Kind, ttl: Duration, fences: u32) -> bool {
        let claims = self.store.claims;
        claims.check(kind, ttl).is_ok() && (fences == 1 || claims.reserves_fences())
    }
}

impl Session for StrictSession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        if_claimed(self.may(ask.kind, ask.ttl, 1), self.session.acquire(ask))
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        let may = self.may(look.kind, look.ttl, look.fences);
        let fences = if self.store.reserves_one { 1 } else { look.fences };
        if_claimed(may, self.session.look(look.with_fences(fences)))
    }

    fn enqueue(&self, enqueue: Enqueue) -> StoreFuture<Result<Acquired, StoreError>> {
        let entry = &enqueue.entry;
        let may = self.may(entry.kind, enqueue.ttl, enqueue.fences)
            && self.may(entry.kind, entry.first_lease, entry.fences)
            && self.store.claims.queues();
        if_claimed(may, self.session.enqueue(enqueue))
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        if batch.iter().all(|renewal| self.may(renewal.kind, renewal.ttl, 1)) {
            return self.session.renew(batch);
        }
        Box::pin(async { Vec::new() })
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        let claims = self.store.claims;
        let may = (release.leave.is_none() || claims.queues())
            && (!release.done || claims.marks_done())
            && claims.keeps(release.kind);
        if_claimed(may, self.session.release(release))
    }

    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        let entry = &rotation.entry;
        let may = self.may(entry.kind, rotation.ttl, rotation.fences)
            && self.may(entry.kind, entry.first_lease, entry.fences)
            && self.store.claims.queues();
        if_claimed(may, self.session.rotate(rotation))
    }

    fn downgrade(&self, downgrade: Downgrade) -> StoreFuture<Result<Renewed, StoreError>> {
        if_claimed(self.may(Kind::Shared, downgrade.ttl, 1), self.session.downgrade(downgrade))
    }

    fn inspect(&self, key: LockKey) -> StoreFuture<Result<Inspection, StoreError>> {
        if_claimed(self.store.claims.inspects(), self.session.inspect(key))
    }

    fn introduce(&self, client: ClientId, card: Card) -> StoreFuture<Result<(), StoreError>> {
        if_claimed(self.store.claims.inspects(), self.session.introduce(client, card))
    }

    fn take_leave(&self, client: ClientId) -> StoreFuture<Result<(), StoreError>> {
        if_claimed(self.store.claims.inspects(), self.session.take_leave(client))
    }

    fn listens(&self) -> bool {
        self.session.listens()
    }

    fn is_open(&self) -> bool {
        self.session.is_open()
    }
}

#[test]
fn a_store_that_claims_nothing_is_asked_for_nothing_more() {
    run(check(Strict::new(Capabilities::new())));
}

#[test]
fn each_claim_is_made_use_of_by_itself() {
    for claims in [
        Capabilities::new().with_queues(),
        Capabilities::new().with_fence_blocks(),
        Capabilities::new().with_one_session(),
        Capabilities::new().with_inspection(),
        Capabilities::new().with_done_marks(),
        Capabilities::new().with_shared(),
        Capabilities::new().with_permits(),
        Capabilities::new().with_weights().with_shared().with_queues(),
        MemoryStore::new().capabilities(),
    ] {
        run(check(Strict::new(claims)));
    }
}

#[test]
fn a_store_with_bounds_is_tried_within_them() {
    let (shortest, longest) = (Duration::from_millis(700), Duration::from_secs(20));
    let bounded = MemoryStore::new().capabilities().with_shortest_ttl(shortest).with_longest_ttl(longest);
    run(check(Strict::new(bounded)));
}

#[test]
#[should_panic(expected = "`a_block_of_fences_is_that_of_its_grant`: fence ")]
fn a_claim_that_is_not_kept_is_named() {
    let claims = Capabilities::new().with_fence_blocks();
    run(check(Strict { reserves_one: true, ..Strict::new(claims) }));
}
