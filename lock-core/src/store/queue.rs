//! What a store knows of those who wait: an entry in a key's queue, a rotation, and the grant that comes by itself.
//!
//! A queue is ordered by the store's clock at the first enqueue. A release hands the key to the first waiter who is
//! alive, and tells that waiter's listener, so that the lock changes hands in one message. Absent on purpose: for how
//! long to wait, how often to look, and what a grant is worth when it arrives; those are decided above.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Token;
use crate::store::LockKey;

/// The most fences that a hand-over reserves. A store may take an entry that wants more for somebody else's work.
#[doc(hidden)]
pub const MOST_FENCES: u32 = 1024;

/// For how long a waiter that looks by itself counts as alive at most.
#[doc(hidden)]
pub const LONGEST_ALIVE: Duration = Duration::from_secs(24 * 3600);

/// Asks for a key by a token that may have been sent before, without standing in its queue from now on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Look {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
    /// How many fences to reserve, if the key is granted; at least one.
    pub fences: u32,
}

/// Asks for a key by a token that waits for it, or is about to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Enqueue {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
    /// How many fences to reserve, if the key is granted; at least one.
    pub fences: u32,
    /// The token's place in the queue, which it takes or keeps while somebody else holds the key.
    pub entry: Entry,
}

/// One waiter in a key's queue. It is the same in everything that is sent about one token, but for `alive_for` and
/// `lasts`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use lock_runtime::store::{Ask, Enqueue, Entry, Listener, ListenerId, MemoryStore, Release, Store, Token};
///
/// let (tell, told) = mpsc::channel();
/// let name = ListenerId::from_bits(7);
/// let session = MemoryStore::new().listen(Listener::new(name, move |grant| tell.send(grant).is_ok())).await?;
/// let (holder, waiter, ttl) = (Token::from_bits(1), Token::from_bits(2), Duration::from_secs(30));
/// session.acquire(Ask { key: "job:42".into(), token: holder, ttl }).await?;
///
/// let first_lease = Duration::from_secs(1);
/// let entry = Entry { listener: name, first_lease, fences: 1, since: None, alive_for: None, lasts: None };
/// session.enqueue(Enqueue { key: "job:42".into(), token: waiter, ttl, fences: 1, entry }).await?;
///
/// session.release(Release { key: "job:42".into(), token: holder, keep: None, leave: None, contended: false }).await?;
/// let grant = told.recv()?;
/// assert_eq!((grant.token, grant.first_lease), (waiter, first_lease));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Who is told of the grant.
    pub listener: ListenerId,
    /// For how long the key is granted by a hand-over; whole milliseconds.
    pub first_lease: Duration,
    /// How many fences a hand-over reserves; at least one, and 1024 at most.
    pub fences: u32,
    /// The store's clock at the first enqueue of this waiter, in microseconds, if it queued before: its place.
    pub since: Option<u64>,
    /// For how long the waiter counts as alive although nobody listens for it: it will have looked again by then.
    /// A day at most.
    pub alive_for: Option<Duration>,
    /// For how long the queue is kept for want of another look, if that is more than half a minute. Nobody makes it less.
    pub lasts: Option<Duration>,
}

/// Gives a key to the next waiter, or keeps it if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rotate {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// If nobody else waits, the lease lasts this long from now, or as long as it did if that is longer.
    pub ttl: Duration,
    /// How many fences to reserve in that case; at least one.
    pub fences: u32,
    /// Who waits behind the others from now on, if there are others.
    pub next: Token,
    /// The place of `next`.
    pub entry: Entry,
}

/// What a rotation was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rotated {
    /// Nobody else waits: the token still holds the key, and these fences are its own.
    Retained {
        /// The first of the fences that were reserved.
        fence: u64,
    },
    /// The key went to another waiter, and `next` stands in the queue.
    HandedOver {
        /// The store's clock, in microseconds.
        clock: u64,
    },
    /// The key is free, and `next` does not stand in the queue.
    Freed,
    /// The token did not hold the key, and this rotation did not queue `next`; one before it, whose reply was lost, may have.
    NotOurs,
}

/// A key that was handed to a waiter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Which key.
    pub key: LockKey,
    /// Who holds it now.
    pub token: Token,
    /// The first of the fences that were reserved.
    pub fence: u64,
    /// How many they are.
    pub fences: u32,
    /// For how long, counted from when the store's clock said `clock`.
    pub first_lease: Duration,
    /// The store's clock at the hand-over, in microseconds.
    pub clock: u64,
}

/// Names who is told of a client's grants: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(u128);

impl ListenerId {
    /// A listener from 128 bits that nobody else has.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits, for a store to write down.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListenerId({:032x})", self.0)
    }
}

/// Hears of grants, and says whether it waited for them. It returns at once and never panics; it may be called from any
/// thread.
///
/// Whoever can reach the store can forge a grant. So a store takes what it says (its fence, for instance) for true only if
/// somebody waited for its token, which nobody can guess.
#[derive(Clone)]
pub struct Listener {
    id: ListenerId,
    hear: Arc<dyn Fn(Grant) -> bool + Send + Sync>,
}

impl Listener {
    /// A listener of that name. What it calls says whether a grant is one that somebody waited for.
    ///
    /// ```
    /// use lock_runtime::store::{Listener, ListenerId, Token};
    ///
    /// let waiter = Token::from_bits(2);
    /// let listener = Listener::new(ListenerId::from_bits(7), move |grant| grant.token == waiter);
    /// assert_eq!(listener.id(), ListenerId::from_bits(7));
    /// ```
    pub fn new(id: ListenerId, hear: impl Fn(Grant) -> bool + Send + Sync + 'static) -> Self {
        Self { id, hear: Arc::new(hear) }
    }

    /// Its name, as entries give it.
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Tells it of a grant; whether it waited for it.
    pub fn hear(&self, grant: Grant) -> bool {
        (self.hear)(grant)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.id).finish()
    }
}
