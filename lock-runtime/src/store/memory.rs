//! A store in this process's memory, and the specification of every other store.
//!
//! [`Model`] is the specification, a pure value. [`MemoryStore`] puts it behind a mutex, reads the clock and passes
//! grants to listeners. What must stay true: a listener is in `listeners` exactly as often as in the model, and is
//! called and dropped while the mutex is unlocked, because it may call anything.
//! Absent on purpose: errors. Memory is always there, so no operation here ever fails.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use once_cell::sync::OnceCell;

use lock_core::store::model::Model;
use lock_core::{LockKey, Moment};

use super::{
    Acquired, Ask, Capabilities, Card, ClientId, ClockId, Downgrade, Enqueue, Grant, Inspection, Listener, Look,
    Presence, Release, Released, Renewal, Renewed, Rotate, Rotated, Session, Store, StoreError, StoreFuture,
};
use crate::system::clock;
use crate::system::forks::Process;
use crate::system::mutex::enter;

/// A store in this process's memory: for tests, and for programs that run once.
///
/// Its fences begin at the wall clock in microseconds, as a server's do, so that what a program wrote under one of them
/// refuses no fence of the same program's next run.
///
/// [`MemoryStore::new`] is a store of its own, [`MemoryStore::named`] one that is shared within the process for as long
/// as anything uses it. Clones are the same store.
///
/// ```
/// use lock_runtime::store::{MemoryStore, Store};
///
/// assert_ne!(MemoryStore::new().identity(), MemoryStore::new().identity());
/// assert_eq!(MemoryStore::named("jobs").identity(), "memory://jobs");
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    place: Arc<Place>,
    memory: Arc<Mutex<Memory>>,
    identity: Arc<str>,
}

/// A name and the namespaces under it; a namespace that was used once stays as long as the name is used.
struct Place {
    name: String,
    namespaces: Mutex<HashMap<String, Arc<Mutex<Memory>>>>,
}

/// The state of one namespace.
struct Memory {
    model: Model,
    /// One for each session that listens.
    listeners: Vec<Arc<Listener>>,
    /// Each with the moment at which it is forgotten; as many as there were clients in the last minutes.
    cards: HashMap<ClientId, (Card, Moment)>,
}

impl Default for Memory {
    fn default() -> Self {
        let (now, mut model) = (clock::now(), Model::default());
        model.read_clock(ClockId::from_bits(0), clock::since_1970().saturating_sub(now.since(Moment::from_nanos(0))));
        model.raise(now);
        Self { model, listeners: Vec::new(), cards: HashMap::new() }
    }
}

/// The stores with a name, of this process and of those that it was forked from.
static NAMED: OnceCell<Mutex<Named>> = OnceCell::new();

type Named = HashMap<(Process, String), Weak<Place>>;

/// Nobody else finds or makes a store by its name until the answer is dropped.
pub(crate) fn lock_names() -> Box<dyn Any> {
    Box::new(enter(NAMED.get_or_init(Mutex::default)))
}

impl MemoryStore {
    /// A new store.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::at(Place::new(format!("#{}", NEXT.fetch_add(1, Ordering::Relaxed))))
    }

    /// The store of this name in this process; a forked process has stores of its own.
    pub fn named(name: &str) -> Self {
        // Escaped, so that no name equals another name with a namespace.
        let name = name.replace('%', "%25").replace('#', "%23");
        let mut named = enter(NAMED.get_or_init(Mutex::default));
        if let Some(place) = named.get(&(Process::current(), name.clone())).and_then(Weak::upgrade) {
            return Self::at(place);
        }
        named.retain(|_, place| place.strong_count() > 0);
        let place = Place::new(name.clone());
        named.insert((Process::current(), name), Arc::downgrade(&place));
        Self::at(place)
    }

    /// The same store with a namespace: locks in different namespaces are independent.
    ///
    /// ```
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// let store = MemoryStore::named("jobs").with_namespace("tenant-7");
    /// assert_eq!(store.identity(), "memory://jobs#tenant-7");
    /// ```
    #[must_use]
    pub fn with_namespace(self, namespace: &str) -> Self {
        let separator = if namespace.is_empty() { "" } else { "#" };
        let identity = format!("memory://{}{separator}{namespace}", self.place.name).into();
        let memory = Arc::clone(enter(&self.place.namespaces).entry(namespace.to_owned()).or_default());
        Self { place: self.place, memory, identity }
    }

    fn at(place: Arc<Place>) -> Self {
        Self { place, memory: Arc::default(), identity: Arc::from("") }.with_namespace("")
    }

    fn new_session(&self, listener: Option<Arc<Listener>>) -> Arc<dyn Session> {
        Arc::new(MemorySession { store: self.clone(), listener })
    }
}

impl Memory {
    /// The grants of the last operation, each with every listener of the name that it is for.
    fn take_deliveries(&mut self) -> Vec<(Arc<Listener>, Grant)> {
        let grants = self.model.take_grants();
        let deliveries = grants.into_iter().flat_map(|(id, grant)| {
            let named = self.listeners.iter().filter(move |listener| listener.id() == id);
            named.map(move |listener| (Arc::clone(listener), grant.clone()))
        });
        deliveries.collect()
    }

    fn introduce(&mut self, now: Moment, client: ClientId, card: Card) {
        self.cards.retain(|_, (_, forgotten)| now < *forgotten);
        self.cards.insert(client, (card, now + Card::LASTS));
    }

    fn inspect(&self, now: Moment, key: &LockKey) -> Inspection {
        let inspection = self.model.inspect(now, key);
        let presence = |client: ClientId| {
            let (card, forgotten) = self.cards.get(&client).filter(|(_, forgotten)| now < *forgotten)?;
            Some(Presence::new(client, card.clone(), forgotten.since(now)))
        };
        let cards = inspection.clients().into_iter().filter_map(presence).collect();
        inspection.with_cards(cards)
    }

    fn listen(&mut self, listener: Arc<Listener>) {
        self.model.listen(listener.id());
        self.listeners.push(listener);
    }

    fn unsubscribe(&mut self, listener: &Arc<Listener>) {
        self.model.unsubscribe(listener.id());
        self.listeners.retain(|listening| !Arc::ptr_eq(listening, listener));
    }
}

impl Place {
    fn new(name: String) -> Arc<Self> {
        Arc::new(Self { name, namespaces: Mutex::default() })
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the identity, but not what is held.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&self.identity).finish()
    }
}

impl Store for MemoryStore {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        Model::CAPABILITIES
    }

    fn session(&self) -> Option<Arc<dyn Session>> {
        Some(self.new_session(None))
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let session = self.new_session(None);
        Box::pin(async move { Ok(session) })
    }

    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let store = self.clone();
        Box::pin(async move {
            let listener = Arc::new(listener);
            enter(&store.memory).listen(Arc::clone(&listener));
            Ok(store.new_session(Some(listener)))
        })
    }
}

/// The store, with or without a listener.
#[derive(Debug)]
struct MemorySession {
    store: MemoryStore,
    listener: Option<Arc<Listener>>,
}

impl MemorySession {
    /// A future that does everything in its first poll.
    fn at_first_poll<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Model, Moment) -> T + Send + 'static,
    ) -> StoreFuture<T> {
        self.in_memory(move |memory, now| operation(&mut memory.model, now))
    }

    /// The same for what is not the model's.
    fn in_memory<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Memory, Moment) -> T + Send + 'static,
    ) -> StoreFuture<T> {
        let memory = Arc::clone(&self.store.memory);
        Box::pin(async move {
            let (answer, deliveries) = {
                // The clock is read while the mutex is locked, so that the model never sees time go backwards.
                let mut memory = enter(&memory);
                (operation(&mut memory, clock::now()), memory.take_deliveries())
            };
            for (listener, grant) in deliveries {
                // Grants cannot be forged here, so it does not matter whether one was expected.
                let _ = listener.hear(grant);
            }
            answer
        })
    }
}

/// Unsubscribes the listener, which is dropped after this.
impl Drop for MemorySession {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            enter(&self.store.memory).unsubscribe(listener);
        }
    }
}

impl Session for MemorySession {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.acquire(now, &ask)))
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.look(now, &look)))
    }

    fn enqueue(&self, enqueue: Enqueue) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.enqueue(now, &enqueue)))
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        self.at_first_poll(move |model, now| batch.iter().map(|renewal| Ok(model.renew(now, renewal))).collect())
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.release(now, &release)))
    }

    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.rotate(now, &rotation)))
    }

    fn downgrade(&self, downgrade: Downgrade) -> StoreFuture<Result<Renewed, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.downgrade(now, &downgrade)))
    }

    fn inspect(&self, key: LockKey) -> StoreFuture<Result<Inspection, StoreError>> {
        self.in_memory(move |memory, now| Ok(memory.inspect(now, &key)))
    }

    fn introduce(&self, client: ClientId, card: Card) -> StoreFuture<Result<(), StoreError>> {
        self.in_memory(move |memory, now| {
            memory.introduce(now, client, card);
            Ok(())
        })
    }

    fn take_leave(&self, client: ClientId) -> StoreFuture<Result<(), StoreError>> {
        self.in_memory(move |memory, _| {
            memory.cards.remove(&client);
            Ok(())
        })
    }

    fn listens(&self) -> bool {
        self.listener.is_some()
    }

    fn is_open(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
