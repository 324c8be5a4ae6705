//! A store that stands between a client and another one, and writes down what that one is asked.
//!
//! Absent on purpose: answers of its own. It claims what the other claims.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::store::{
    Acquired, Ask, Capabilities, Card, ClientId, Downgrade, Enqueue, Inspection, Kind, Listener, Look, Release,
    Released, Renewal, Renewed, Rotate, Rotated, Session, Store, StoreError, StoreFuture,
};
use crate::system::mutex::enter;
use lock_core::LockKey;

/// See the module. Clones write to one record.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    store: Arc<dyn Store>,
    record: Arc<Mutex<Record>>,
}

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// How many sessions were opened.
    pub(super) sessions: usize,
    pub(super) requests: Vec<Request>,
}

/// What of a request has to be claimed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Request {
    pub(super) ttl: Option<Duration>,
    pub(super) first_lease: Option<Duration>,
    pub(super) fences: u32,
    pub(super) kind: Kind,
}

impl Recording {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, record: Arc::default() }
    }

    pub(super) fn record(&self) -> Record {
        enter(&self.record).clone()
    }

    fn opened(&self, opening: StoreFuture<Result<Arc<dyn Session>, StoreError>>) -> StoreFuture<Opened> {
        let record = Arc::clone(&self.record);
        Box::pin(async move {
            let session = opening.await?;
            enter(&record).sessions += 1;
            Ok(Arc::new(RecordingSession { session, record }) as Arc<dyn Session>)
        })
    }
}

type Opened = Result<Arc<dyn Session>, StoreError>;

impl Store for Recording {
    fn identity(&self) -> &str {
        self.store.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn session(&self) -> Option<Arc<dyn Session>> {
        let (session, record) = (self.store.session()?, Arc::clone(&self.record));
        Some(Arc::new(RecordingSession { session, record }))
    }

    fn open(&self) -> StoreFuture<Opened> {
        self.opened(self.store.open())
    }

    fn listen(&self, listener: Listener) -> StoreFuture<Opened> {
        self.opened(self.store.listen(listener))
    }
}

#[derive(Debug)]
struct RecordingSession {
    session: Arc<dyn Session>,
    record: Arc<Mutex<Record>>,
}

impl RecordingSession {
    fn write(&self, request: Request) {
        enter(&self.record).requests.push(request);
    }
}

impl Session for RecordingSession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.write(Request { ttl: Some(ask.ttl), kind: ask.kind, ..Request::default() });
        self.session.acquire(ask)
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.write(Request { ttl: Some(look.ttl), fences: look.fences, kind: look.kind, ..Request::default() });
        self.session.look(look)
    }

    fn enqueue(&self, enqueue: Enqueue) -> StoreFuture<Result<Acquired, StoreError>> {
        let (ttl, first_lease) = (Some(enqueue.ttl), Some(enqueue.entry.first_lease));
        let (fences, kind) = (enqueue.fences.max(enqueue.entry.fences), enqueue.entry.kind);
        self.write(Request { ttl, first_lease, fences, kind });
        self.session.enqueue(enqueue)
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        for renewal in &batch {
            self.write(Request { ttl: Some(renewal.ttl), kind: renewal.kind, ..Request::default() });
        }
        self.session.renew(batch)
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        let first_lease = release.leave.as_ref().map(|entry| entry.first_lease);
        self.write(Request { first_lease, kind: release.kind, ..Request::default() });
        self.session.release(release)
    }

    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        let (ttl, first_lease) = (Some(rotation.ttl), Some(rotation.entry.first_lease));
        let (fences, kind) = (rotation.fences.max(rotation.entry.fences), rotation.entry.kind);
        self.write(Request { ttl, first_lease, fences, kind });
        self.session.rotate(rotation)
    }

    fn downgrade(&self, downgrade: Downgrade) -> StoreFuture<Result<Renewed, StoreError>> {
        self.write(Request { ttl: Some(downgrade.ttl), kind: Kind::Shared, ..Request::default() });
        self.session.downgrade(downgrade)
    }

    fn inspect(&self, key: LockKey) -> StoreFuture<Result<Inspection, StoreError>> {
        self.session.inspect(key)
    }

    fn introduce(&self, client: ClientId, card: Card) -> StoreFuture<Result<(), StoreError>> {
        self.session.introduce(client, card)
    }

    fn take_leave(&self, client: ClientId) -> StoreFuture<Result<(), StoreError>> {
        self.session.take_leave(client)
    }

    fn listens(&self) -> bool {
        self.session.listens()
    }

    fn is_open(&self) -> bool {
        self.session.is_open()
    }

    fn closed(&self) -> StoreFuture<()> {
        self.session.closed()
    }
}
