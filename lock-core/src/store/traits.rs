//! What a store does: one round trip at a time, atomic, and harmless to repeat.
//!
//! A [`Store`] opens [`Session`]s; a session carries the operations on one key in order. An operation never sleeps,
//! never tries again and never renews: those exist once, above. Every operation names a token, so that asking twice
//! after a lost reply does no harm.
//! Absent on purpose: deadlines, waiting and anything that knows of tasks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::capabilities::Capabilities;
use super::card::{Card, ClientId};
use super::error::{StoreError, StoreErrorKind};
use super::key::LockKey;
#[cfg(doc)]
use super::operations::Entry;
use super::operations::{
    Acquired, Ask, Downgrade, Enqueue, Inspection, Listener, Look, Release, Released, Renewal, Renewed, Rotate, Rotated,
};
use super::token::Token;

/// The future that a store's operation returns. Nothing is sent before its first poll.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::store::StoreFuture;
///
/// fn answer() -> StoreFuture<u64> {
///     Box::pin(async { 7 })
/// }
///
/// assert_eq!(answer().await, 7);
/// # Ok(()) }
/// ```
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What a probe would renew a lease to, if there were one: any ttl that every store can.
const PROBE_TTL: Duration = Duration::from_secs(1);

/// A place that keeps locks, such as a server.
///
/// # Contract
/// The conformance suite (`lock_runtime::conformance`) states it as tests. In words: a key has at most one token, and
/// it expires by itself; an operation compares the token and acts in one atomic step; fences grow with every grant of a
/// key. A store that [`queues`](Capabilities::queues) keeps its waiters in order, too.
///
/// ```
/// use std::sync::Arc;
/// use lock_runtime::store::{Capabilities, MemoryStore, Session, Store, StoreError, StoreFuture};
///
/// /// Another store under a name of its own, which claims nothing but exclusive locks.
/// #[derive(Debug)]
/// struct Plain(MemoryStore);
///
/// impl Store for Plain {
///     fn identity(&self) -> &str {
///         "plain://"
///     }
///
///     fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
///         self.0.open()
///     }
/// }
///
/// assert_eq!(Plain(MemoryStore::new()).capabilities(), Capabilities::new());
/// ```
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Names the place and the namespace in it. Two stores of one identity keep the same locks. Holds no secret.
    ///
    /// ```
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// assert_eq!(MemoryStore::named("jobs").identity(), MemoryStore::named("jobs").identity());
    /// ```
    fn identity(&self) -> &str;

    /// What it claims to do beyond what every store must; the same each time. A client asks once, before anything is
    /// sent, and sends nothing that was not claimed. A store that wraps another hands on what that one claims.
    ///
    /// ```
    /// use lock_runtime::store::{Kind, MemoryStore, Store};
    ///
    /// assert!(MemoryStore::new().capabilities().keeps(Kind::Exclusive));
    /// ```
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    /// A session that needs no opening and no runtime, if the store has no connections.
    ///
    /// ```
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// assert!(MemoryStore::new().session().is_some());
    /// ```
    fn session(&self) -> Option<Arc<dyn Session>> {
        None
    }

    /// Opens a session, on the runtime that polls the future.
    ///
    /// It may stay pending for as long as it takes; the caller gives up by dropping it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// assert!(session.is_open());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`](crate::store::StoreErrorKind::Refused) when trying again is pointless (wrong
    /// credentials, a server that is too old),
    /// [`StoreErrorKind::Disconnected`](crate::store::StoreErrorKind::Disconnected) else.
    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>>;

    /// Opens a session that also tells `listener` of the grants to its waiters, for as long as the session is there
    /// and open; [`Session::listens`] says whether it does.
    ///
    /// A client opens one such session for each runtime that calls and one for itself, each for a listener of its own;
    /// or one alone, where the store [wants](Capabilities::with_one_session) that. All of them lead to one place; each
    /// says of a reading [which clock](super::ClockId) it is of. A store that keeps no queues needs none: its waiters
    /// look.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{Listener, ListenerId, MemoryStore, Store};
    ///
    /// let listener = Listener::new(ListenerId::from_bits(7), |grant| grant.key.as_str() == "job:42");
    /// let session = MemoryStore::new().listen(listener).await?;
    /// assert!(session.listens());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`open`](Store::open). That a server refuses to tell of grants is no error.
    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        drop(listener);
        self.open()
    }
}

/// A line to a store that is ordered for each key: of two operations on one key, the one whose future was polled first
/// takes effect first. A batch of renewals is an operation on each of its keys. Nothing is promised of operations on
/// different keys, nor of two sessions.
///
/// Dropping an operation's future leaves open whether it takes effect. An operation may stay without an answer: a
/// client drops it after its time-out. A session that is no longer open tells its listener of nothing; that is told
/// where nothing is locked that the session's own methods need. A session may be used from any thread and any runtime,
/// for as long as the runtime that opened it lives.
///
/// An operation takes effect in its place or, being harmless there, behind what was sent after it. One that could take
/// a key or queue somebody behind the release of the same token must not do so: a session that cannot carry it out at
/// once answers [`StoreErrorKind::NotExecuted`](crate::store::StoreErrorKind::NotExecuted) instead of sending it a
/// second time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Ask, MemoryStore, Release, Released, Store, Token};
///
/// let (session, holder) = (MemoryStore::new().open().await?, Token::from_bits(1));
/// session.acquire(Ask::new("job:42", holder, Duration::from_secs(30))).await?;
/// assert_eq!(session.release(Release::new("job:42", holder)).await?, Released::Freed);
/// # Ok(()) }
/// ```
pub trait Session: fmt::Debug + Send + Sync + 'static {
    /// Takes the key if it is free, for a token that was never sent before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Acquired, Ask, MemoryStore, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let ask = |token| Ask::new("job:42", Token::from_bits(token), Duration::from_secs(30));
    /// assert!(matches!(session.acquire(ask(1)).await?, Acquired::Granted { .. }));
    /// assert!(matches!(session.acquire(ask(2)).await?, Acquired::Held { .. }));
    /// # Ok(()) }
    /// ```
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>>;

    /// Takes the key if it is free and nobody waits for it, or is held by this very token already; says else for how
    /// long it is held. A lease that the token has already is never made shorter. If the key is free and others wait,
    /// it is handed to the first of them who is alive.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Acquired, Look, MemoryStore, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let look = |token| Look::new("job:42", Token::from_bits(token), Duration::from_secs(30));
    /// assert!(matches!(session.look(look(1)).await?, Acquired::Granted { .. }));
    /// assert!(matches!(session.look(look(2)).await?, Acquired::Held { for_at_most: Some(_), .. }));
    /// # Ok(()) }
    /// ```
    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>>;

    /// The same for a token that waits: it takes its place in the queue or keeps it, unless it is granted the key. A
    /// store without queues looks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Acquired, Enqueue, Entry, ListenerId, MemoryStore, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
    /// let enqueue = |token| Enqueue::new("job:42", Token::from_bits(token), Duration::from_secs(30), entry.clone());
    /// session.enqueue(enqueue(1)).await?;
    /// assert!(matches!(session.enqueue(enqueue(2)).await?, Acquired::Held { queued_at: Some(_), .. }));
    /// # Ok(()) }
    /// ```
    fn enqueue(&self, enqueue: Enqueue) -> StoreFuture<Result<Acquired, StoreError>> {
        self.look(enqueue.into_look().0)
    }

    /// Makes each lease whose token still holds its key last `ttl` from now, or as long as it did if that is longer.
    /// Never creates a key. Answers for each renewal by itself, in order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{MemoryStore, Renewal, Renewed, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let renewal = Renewal::new("job:42", Token::from_bits(1), Duration::from_secs(30));
    /// let answers = session.renew(vec![renewal.clone(), renewal]).await;
    /// assert!(matches!(answers[..], [Ok(Renewed::NotOurs), Ok(Renewed::NotOurs)])); // nobody holds it
    /// # Ok(()) }
    /// ```
    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>>;

    /// Takes the token out of the queue if the release says so. Then, if the token holds the key: hands it to the first
    /// waiter who is alive, or frees it; or keeps it for `keep`, if there is that: held as before, but by nobody. No
    /// renewal, release, rotation or look of this token or another finds it its own, so that nothing which comes late
    /// lengthens, shortens or frees it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{MemoryStore, Release, Released, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let release = Release::new("job:42", Token::from_bits(1));
    /// assert_eq!(session.release(release).await?, Released::NotOurs); // nobody holds it
    /// # Ok(()) }
    /// ```
    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>>;

    /// If the token holds the key: hands it to the first waiter who is alive and queues `next`; or keeps it, with new
    /// fences, if nobody else waits. If nobody waits but entries that are [not known](Entry), it frees the key and
    /// queues nobody, so that they find it free when they look. A store without queues frees the key. Only who holds
    /// exclusively is asked for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId, MemoryStore, Rotate, Rotated, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
    /// let rotation = Rotate::new("job:42", Token::from_bits(1), Duration::from_secs(30), Token::from_bits(2), entry);
    /// assert_eq!(session.rotate(rotation).await?, Rotated::NotOurs); // nobody holds it
    /// # Ok(()) }
    /// ```
    fn rotate(&self, rotation: Rotate) -> StoreFuture<Result<Rotated, StoreError>> {
        let release = self.release(Release::new(rotation.key, rotation.token).with_contended(true));
        Box::pin(async move {
            Ok(match release.await? {
                Released::Freed => Rotated::Freed,
                Released::NotOurs => Rotated::NotOurs,
            })
        })
    }

    /// If the token holds the key exclusively, makes that a shared lease in one step, which is never shortened, and lets
    /// those at the head of the queue hold beside it. A token that holds it shared already is renewed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Downgrade, MemoryStore, Renewed, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let downgrade = Downgrade::new("job:42", Token::from_bits(1), Duration::from_secs(30));
    /// assert_eq!(session.downgrade(downgrade).await?, Renewed::NotOurs); // nobody holds it
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] by a store that does not [keep](Capabilities::keeps) shared locks; else as every
    /// operation.
    fn downgrade(&self, downgrade: Downgrade) -> StoreFuture<Result<Renewed, StoreError>> {
        drop(downgrade);
        let text = "this store keeps no shared locks";
        Box::pin(std::future::ready(Err(StoreError::new(StoreErrorKind::Refused, text))))
    }

    /// Says who holds the key and who waits for it, and whose they are by the cards of their clients. It changes
    /// nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Ask, MemoryStore, Owner, Store, Token};
    ///
    /// let (session, holder) = (MemoryStore::new().open().await?, Token::from_bits(1));
    /// session.acquire(Ask::new("job:42", holder, Duration::from_secs(30))).await?;
    /// assert_eq!(session.inspect("job:42".into()).await?.holders[0].owner, Owner::Token(holder));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] by a store that does not [claim](Capabilities::inspects) it; else as every
    /// operation.
    fn inspect(&self, key: LockKey) -> StoreFuture<Result<Inspection, StoreError>> {
        drop(key);
        let text = "this store does not say who holds a key";
        Box::pin(std::future::ready(Err(StoreError::new(StoreErrorKind::Refused, text))))
    }

    /// Keeps a client's card for [`Card::LASTS`] from now, instead of the one before. A client's keeper sends it every
    /// third of that, to a store that [claims](Capabilities::inspects) to keep it. A store without cards keeps none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{Card, ClientId, MemoryStore, Store};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// session.introduce(ClientId::from_bits(7), Card::new("web-7", 4242, "orders", 1_790_000_000)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As every operation; nothing but the card is missing then.
    fn introduce(&self, client: ClientId, card: Card) -> StoreFuture<Result<(), StoreError>> {
        drop((client, card));
        Box::pin(std::future::ready(Ok(())))
    }

    /// Forgets a client's card, as the client is gone.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{ClientId, MemoryStore, Store};
    ///
    /// MemoryStore::new().open().await?.take_leave(ClientId::from_bits(7)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As every operation; the card is forgotten by itself then.
    fn take_leave(&self, client: ClientId) -> StoreFuture<Result<(), StoreError>> {
        let _ = client;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Comes back once the store has answered, with or without an error, and changes nothing. A client asks this of a
    /// session when another request had no answer, drops it after a short time, and then replaces the session. If the
    /// session [`listens`](Self::listens), the answer says that messages arrive, too, as far as that can be asked.
    ///
    /// Unless a session knows better, it is a renewal of what nobody holds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// MemoryStore::new().open().await?.probe().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StoreErrorKind::Disconnected`] if another session is needed; any other error is an answer.
    fn probe(&self) -> StoreFuture<Result<(), StoreError>> {
        let nobody = Token::from_bits(0);
        let renewed = self.renew(vec![Renewal::new("probe", nobody, PROBE_TTL)]);
        Box::pin(async move { renewed.await.into_iter().try_for_each(|answer| answer.map(drop)) })
    }

    /// Whether the store tells this session's listener of grants.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// assert!(!MemoryStore::new().open().await?.listens());
    /// # Ok(()) }
    /// ```
    fn listens(&self) -> bool {
        false
    }

    /// False once operations through this session can only fail, or its listener is no longer told.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{MemoryStore, Store};
    ///
    /// assert!(MemoryStore::new().open().await?.is_open());
    /// # Ok(()) }
    /// ```
    fn is_open(&self) -> bool;

    /// Comes back when [`is_open`](Self::is_open) has become false, for those who ask for nothing meanwhile. A session
    /// that cannot tell stays pending, and is found out when it is used next. The future does not keep the session.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::store::{MemoryStore, Store};
    /// use tokio::time::{Duration, timeout};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let closed = timeout(Duration::from_millis(1), session.closed()).await;
    /// assert!(closed.is_err(), "memory stays open");
    /// # Ok(()) }
    /// ```
    fn closed(&self) -> StoreFuture<()> {
        Box::pin(std::future::pending())
    }
}
