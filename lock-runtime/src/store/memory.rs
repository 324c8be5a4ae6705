//! A store in this process's memory, and the specification of every other store.
//!
//! [`Model`] is a pure value: time is an argument, an operation is one call. It is the shortest store and by
//! definition right; what another store answers must agree with it. [`MemoryStore`] puts it behind a mutex and
//! reads the clock. What must stay true: a lock is in `locks` exactly as often as in `by_expiry` (once), and
//! each operation forgets more expired locks than it can add, so that memory is bounded by what is held.
//! Absent on purpose: errors. Memory is always there, so no operation here ever fails.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use once_cell::sync::OnceCell;

use super::{Acquired, Ask, Look, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreFuture, Token};
use crate::clock::{self, Moment};
use crate::key::LockKey;
use crate::mutex::enter;

/// How many expired locks an operation forgets at most; two, as an operation adds one at most.
const FORGOTTEN_PER_OPERATION: usize = 2;

/// All locks of one namespace, as a value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    locks: HashMap<LockKey, Holding>,
    by_expiry: BTreeSet<(Moment, LockKey)>,
    last_fence: u64,
}

#[derive(Debug, Clone, Copy)]
struct Holding {
    token: Token,
    expiry: Moment,
}

impl Model {
    /// Takes the key if it is free. Whoever holds it, be it this very token, the answer is `Held`.
    pub(crate) fn acquire(&mut self, now: Moment, ask: &Ask) -> Acquired {
        self.forget_expired(now);
        if self.holding(now, &ask.key).is_some() {
            return Acquired::Held { for_at_most: None, queued_at: None };
        }
        self.grant(now + ask.ttl, &ask.key, ask.token)
    }

    /// Takes the key if it is free or held by this token; never makes its lease shorter.
    pub(crate) fn look(&mut self, now: Moment, ask: &Look) -> Acquired {
        self.forget_expired(now);
        match self.holding(now, &ask.key) {
            Some(held) if held.token == ask.token => self.grant(held.expiry.max(now + ask.ttl), &ask.key, ask.token),
            Some(held) => Acquired::Held { for_at_most: Some(held.expiry.since(now)), queued_at: None },
            None => self.grant(now + ask.ttl, &ask.key, ask.token),
        }
    }

    /// Moves the expiry to `ttl` from now, if that is later.
    pub(crate) fn renew(&mut self, now: Moment, renewal: &Renewal) -> Renewed {
        self.forget_expired(now);
        match self.holding(now, &renewal.key) {
            Some(held) if held.token == renewal.token => {
                self.set(&renewal.key, held.token, held.expiry.max(now + renewal.ttl));
                Renewed::Renewed
            }
            _ => Renewed::NotOurs,
        }
    }

    /// Frees the key, or moves its expiry to `keep` from now, be that sooner or later.
    pub(crate) fn release(&mut self, now: Moment, release: &Release) -> Released {
        self.forget_expired(now);
        match self.holding(now, &release.key) {
            Some(held) if held.token == release.token => {
                match release.keep {
                    Some(keep) => self.set(&release.key, held.token, now + keep),
                    None => self.remove(&release.key),
                }
                Released::Freed
            }
            _ => Released::NotOurs,
        }
    }

    /// Who holds the key just now; an expired lock is held by nobody.
    fn holding(&self, now: Moment, key: &LockKey) -> Option<Holding> {
        self.locks.get(key).copied().filter(|held| now < held.expiry)
    }

    fn grant(&mut self, expiry: Moment, key: &LockKey, token: Token) -> Acquired {
        self.set(key, token, expiry);
        self.last_fence += 1;
        Acquired::Granted { fence: self.last_fence }
    }

    fn set(&mut self, key: &LockKey, token: Token, expiry: Moment) {
        self.remove(key);
        self.locks.insert(key.clone(), Holding { token, expiry });
        self.by_expiry.insert((expiry, key.clone()));
    }

    fn remove(&mut self, key: &LockKey) {
        if let Some((key, held)) = self.locks.remove_entry(key) {
            self.by_expiry.remove(&(held.expiry, key));
        }
    }

    fn forget_expired(&mut self, now: Moment) {
        for _ in 0..FORGOTTEN_PER_OPERATION {
            match self.by_expiry.first() {
                Some((expiry, _)) if *expiry <= now => {}
                _ => return,
            }
            if let Some((_, key)) = self.by_expiry.pop_first() {
                self.locks.remove(&key);
            }
        }
    }
}

/// A store in this process's memory: for tests, and for programs that run once.
///
/// [`MemoryStore::new`] is a store of its own, [`MemoryStore::named`] one that is shared within the process for
/// as long as anybody has it. Clones are the same store.
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
    model: Arc<Mutex<Model>>,
    identity: Arc<str>,
}

/// A name and the namespaces under it; a namespace that was used once stays as long as the place does.
struct Place {
    name: String,
    namespaces: Mutex<HashMap<String, Arc<Mutex<Model>>>>,
}

impl MemoryStore {
    /// A store that nobody else has.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::at(Place::new(format!("#{}", NEXT.fetch_add(1, Ordering::Relaxed))))
    }

    /// The store of this name in this process.
    pub fn named(name: &str) -> Self {
        static NAMED: OnceCell<Mutex<HashMap<String, Weak<Place>>>> = OnceCell::new();
        // Escaped, so that no name reads like another name with a namespace.
        let name = name.replace('%', "%25").replace('#', "%23");
        let mut named = enter(NAMED.get_or_init(Mutex::default));
        if let Some(place) = named.get(&name).and_then(Weak::upgrade) {
            return Self::at(place);
        }
        named.retain(|_, place| place.strong_count() > 0);
        let place = Place::new(name.clone());
        named.insert(name, Arc::downgrade(&place));
        Self::at(place)
    }

    /// The same store seen through a namespace: locks of different namespaces have nothing to do with each other.
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
        let model = Arc::clone(enter(&self.place.namespaces).entry(namespace.to_owned()).or_default());
        Self { place: self.place, model, identity }
    }

    fn at(place: Arc<Place>) -> Self {
        Self { place, model: Arc::default(), identity: Arc::from("") }.with_namespace("")
    }

    /// A future whose first poll does it all.
    fn at_first_poll<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Model, Moment) -> T + Send + 'static,
    ) -> StoreFuture<T> {
        let model = Arc::clone(&self.model);
        Box::pin(async move {
            // The clock is read inside the mutex, so that the model never sees time go backwards.
            let mut model = enter(&model);
            operation(&mut model, clock::now())
        })
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

/// Shows the identity, and not what is held.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&self.identity).finish()
    }
}

impl Store for MemoryStore {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn session(&self) -> Option<Arc<dyn Session>> {
        Some(Arc::new(self.clone()))
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let session: Arc<dyn Session> = Arc::new(self.clone());
        Box::pin(async move { Ok(session) })
    }
}

impl Session for MemoryStore {
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.acquire(now, &ask)))
    }

    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.look(now, &look)))
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        self.at_first_poll(move |model, now| batch.iter().map(|renewal| Ok(model.renew(now, renewal))).collect())
    }

    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>> {
        self.at_first_poll(move |model, now| Ok(model.release(now, &release)))
    }

    fn is_open(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    fn ask(key: &str, token: u128) -> Ask {
        Ask { key: key.into(), token: Token::from_bits(token), ttl: TTL }
    }

    fn look(key: &str, token: u128) -> Look {
        Look { key: key.into(), token: Token::from_bits(token), ttl: TTL, fences: 1, entry: None }
    }

    fn release(key: &str, token: u128, keep: Option<Duration>) -> Release {
        Release { key: key.into(), token: Token::from_bits(token), keep, leave: None }
    }

    #[test]
    fn a_lock_is_held_until_its_expiry_and_not_at_it() {
        let mut model = Model::default();
        assert_eq!(model.acquire(at(0), &ask("a", 1)), Acquired::Granted { fence: 1 });
        let almost = at(10) - Duration::from_nanos(1);
        assert_eq!(model.acquire(almost, &ask("a", 2)), Acquired::Held { for_at_most: None, queued_at: None });
        assert_eq!(model.acquire(at(10), &ask("a", 2)), Acquired::Granted { fence: 2 });
    }

    #[test]
    fn a_release_that_keeps_makes_the_lease_last_exactly_that_long() {
        let mut model = Model::default();
        model.acquire(at(0), &ask("a", 1));
        assert_eq!(model.release(at(1), &release("a", 1, Some(Duration::from_secs(2)))), Released::Freed);
        let left = Duration::from_secs(2);
        assert_eq!(model.look(at(1), &look("a", 2)), Acquired::Held { for_at_most: Some(left), queued_at: None });
        assert_eq!(model.look(at(3), &look("a", 2)), Acquired::Granted { fence: 2 });
    }

    #[test]
    fn expired_locks_are_forgotten_a_few_at_a_time() {
        let mut model = Model::default();
        for n in 0..1000 {
            model.acquire(at(n), &ask(&format!("job:{n}"), u128::from(n)));
            assert!(model.locks.len() <= 10, "ten are alive at any time");
            assert_eq!(model.locks.len(), model.by_expiry.len());
        }
    }

    #[test]
    fn an_expired_lock_is_free_before_it_is_forgotten() {
        let mut model = Model::default();
        for n in 0..10 {
            model.acquire(at(n), &ask(&format!("job:{n}"), 1));
        }
        assert!(matches!(model.acquire(at(100), &ask("job:9", 2)), Acquired::Granted { .. }));
        let renewal = Renewal { key: "job:8".into(), token: Token::from_bits(1), ttl: TTL };
        assert_eq!(model.renew(at(100), &renewal), Renewed::NotOurs);
    }

    #[test]
    fn renewing_and_releasing_leave_nothing_behind() {
        let mut model = Model::default();
        model.acquire(at(0), &ask("a", 1));
        for second in 1..100 {
            let renewal = Renewal { key: "a".into(), token: Token::from_bits(1), ttl: TTL };
            assert_eq!(model.renew(at(second), &renewal), Renewed::Renewed);
            assert_eq!(model.by_expiry.len(), 1);
        }
        model.release(at(100), &release("a", 1, None));
        assert!(model.locks.is_empty() && model.by_expiry.is_empty());
    }

    #[test]
    fn names_share_and_namespaces_part() {
        let shared = |a: &MemoryStore, b: &MemoryStore| Arc::ptr_eq(&a.model, &b.model);
        let one = MemoryStore::named("names_share");
        assert!(shared(&one, &MemoryStore::named("names_share")));
        assert!(!shared(&one, &MemoryStore::new()));
        let tenant = one.clone().with_namespace("7");
        assert!(!shared(&one, &tenant));
        assert!(shared(&tenant, &MemoryStore::named("names_share").with_namespace("7")));
        assert_ne!(MemoryStore::named("names_share#7").identity(), tenant.identity());
    }
}
