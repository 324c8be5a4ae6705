//! What a store does: one round trip at a time, atomic, and harmless to repeat.
//!
//! A [`Store`] opens [`Session`]s; a session carries operations in order. An operation never sleeps, never
//! tries again and never renews: those exist once, above. Every operation names a [`Token`], so that asking
//! twice after a lost reply does no harm.
//! Absent on purpose: deadlines, waiting and anything that knows of tasks.

pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod waiting;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::foreign::Cause;
use crate::key::LockKey;

pub use memory::MemoryStore;
pub use waiting::{Entry, Grant, Listener, ListenerId, Look, Turn, Turned};

/// The future that a store's operation returns. Nothing is sent before its first poll.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A place that keeps locks, such as a server.
///
/// # Contract
/// The conformance suite ([`crate::conformance`]) states it as tests. In words:
/// a key has at most one token, and it expires by itself; an operation compares the token and acts in one atomic
/// step; fences grow with every grant of a key. A store that [`queues`](Store::queues) keeps its waiters in order, too.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Names the place and the namespace in it. Two stores of one identity keep the same locks. Holds no secret.
    fn identity(&self) -> &str;

    /// A session that needs no opening and no runtime, if the store has no connections.
    fn session(&self) -> Option<Arc<dyn Session>> {
        None
    }

    /// Opens a session, on the runtime that polls the future.
    ///
    /// It may stay pending for as long as it takes; the caller gives up by dropping it.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] when trying again is pointless (wrong credentials, a server that is too old),
    /// [`StoreErrorKind::Disconnected`] else.
    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>>;

    /// Opens a session that also tells `listener` of the grants to its waiters, for as long as the session is there
    /// and open; [`Session::listens`] says whether it does.
    ///
    /// A client opens one such session for each runtime that calls and one for itself, each for a listener of its own.
    /// All of them lead to one place and read one clock. A store that keeps no queues needs none: its waiters look.
    ///
    /// # Errors
    /// As [`open`](Store::open). That a server refuses to tell of grants is no error.
    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        drop(listener);
        self.open()
    }

    /// Whether waiters queue at the store, so that a release hands the key to the first of them. If not, whoever looks
    /// first has it; such a store takes no notice of entries, and the conformance suite does not ask it for a queue.
    fn queues(&self) -> bool {
        false
    }
}

/// One ordered line to a store: of two operations, the one whose future was polled first takes effect first.
///
/// Dropping an operation's future leaves open whether it takes effect. An operation may stay without an answer: a client
/// drops it after its time-out. A session that is no longer open tells its listener of nothing; that is told where nothing
/// is locked that the session's own methods need. A session may be used from any thread and any runtime, for as long as the runtime that
/// opened it lives.
///
/// An operation takes effect in its place or, being harmless there, behind what was sent after it. One that could take a
/// key or queue somebody behind the release of the same token must not do so: a session that cannot carry it out at once
/// answers [`StoreErrorKind::NotExecuted`] instead of sending it a second time.
pub trait Session: fmt::Debug + Send + Sync + 'static {
    /// Takes the key if it is free, for a token that was never sent before.
    fn acquire(&self, ask: Ask) -> StoreFuture<Result<Acquired, StoreError>>;

    /// Takes the key if it is free and nobody waits for it, or is held by this very token already; says else for how
    /// long it is held, and queues. A lease that the token has already is never made shorter. If the key is free and
    /// others wait, it is handed to the first of them who is alive, who may be this token.
    fn look(&self, look: Look) -> StoreFuture<Result<Acquired, StoreError>>;

    /// Makes each lease whose token still holds its key last `ttl` from now, or as long as it did if that is longer.
    /// Never creates a key. Answers for each renewal by itself, in order.
    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>>;

    /// Takes the token out of the queue if the release says so. Then, if the token holds the key: hands it to the
    /// first waiter who is alive, or frees it; or keeps it for `keep`, if there is that: held as before, but by nobody. No
    /// renewal, release, turn or look of this token or another finds it its own, so that nothing which comes late lengthens,
    /// shortens or frees it.
    fn release(&self, release: Release) -> StoreFuture<Result<Released, StoreError>>;

    /// If the token holds the key: hands it to the first waiter who is alive and queues `next`; or keeps it, with new
    /// fences, if there is none. A store without queues frees the key.
    fn turn(&self, turn: Turn) -> StoreFuture<Result<Turned, StoreError>> {
        let release =
            self.release(Release { key: turn.key, token: turn.token, keep: None, leave: None, contended: true });
        Box::pin(async move {
            Ok(match release.await? {
                Released::Freed => Turned::Freed,
                Released::NotOurs => Turned::NotOurs,
            })
        })
    }

    /// Whether the store tells this session's listener of grants.
    fn listens(&self) -> bool {
        false
    }

    /// False once operations through this session can only fail, or its listener is no longer told.
    fn is_open(&self) -> bool;

    /// Comes back when [`is_open`](Self::is_open) has become false, for those who ask for nothing meanwhile. A session
    /// that cannot tell stays pending, and is found out when it is used next. The future does not keep the session.
    fn closed(&self) -> StoreFuture<()> {
        Box::pin(std::future::pending())
    }
}

/// Asks for a key by a token that was never sent before.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
}

/// Asks for more time.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// How long it shall last from now; whole milliseconds.
    pub ttl: Duration,
}

/// Gives a key back.
#[derive(Debug, Clone)]
pub struct Release {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// Keep the key for this long from now, be that more or less than what is left of its ttl, instead of freeing it at
    /// once; whole milliseconds. It is nobody's then, this token's neither.
    pub keep: Option<Duration>,
    /// Take this entry of the token out of the queue, too.
    pub leave: Option<Entry>,
    /// Somebody was seen to wait for the key a moment ago. No more than a hint, for a store that frees faster when nobody
    /// waits.
    pub contended: bool,
}

/// What an ask was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// The token holds the key, and the grant carries this fence.
    Granted {
        /// Greater than the fence of every earlier grant of the key; the first, if several were reserved.
        fence: u64,
    },
    /// Another token holds the key.
    Held {
        /// When it expires unless renewed, as far as the store said.
        for_at_most: Option<Duration>,
        /// The store's clock in microseconds, if the token stands in the queue.
        queued_at: Option<u64>,
    },
}

/// What a renewal was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// The lease lasts for the ttl that was asked for, at least.
    Renewed,
    /// The token does not hold the key: the lease is lost.
    NotOurs,
}

/// What a release was answered.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use lock_runtime::{Client, Released};
///
/// let client = Client::connect("memory://").await?;
/// let guard = client.lock("job:42").acquire().await?;
/// assert_eq!(guard.release().await?, Released::Freed);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The token held the key, and no longer does. The key is free, or another's, or nobody's for what was left of
    /// `min_hold`.
    Freed,
    /// The token did not hold the key: it had expired, or somebody had taken it, or it had been released.
    NotOurs,
}

/// Says who holds a key: 128 random bits, new for every acquisition, and a secret (who knows it can release).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u128);

impl Token {
    /// A token from 128 bits that nobody else has.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Something that is spread as evenly as tokens are.
    #[allow(clippy::cast_possible_truncation)] // half of a token is random enough
    pub(crate) fn seed(self) -> u64 {
        self.0 as u64
    }

    /// The bits, for a store to write down (as 32 hexadecimal digits, for instance).
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Another token, which nobody else has either: random bits are far apart.
    pub(crate) const fn successor(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Shows no bit of the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A store could not do what it was asked, or nobody knows whether it did.
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    cause: Cause,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.error()
    }
}

/// What to do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Use another session. The operation may have taken effect.
    Disconnected,
    /// Try again later through the same session: the store is full, busy or starting.
    Unready,
    /// Do not try again: a right is missing, the credentials are wrong, the key is something else.
    Refused,
    /// Nothing was executed: ask again at once, through the same session, if it is still wanted. A store says so instead
    /// of sending an operation a second time, behind what was sent in the meantime.
    NotExecuted,
}

impl StoreError {
    /// An error with a text that says what could not be done, lower case and without a full stop.
    pub fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), cause: Cause::none() }
    }

    /// The same, with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Cause::new(source);
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}
