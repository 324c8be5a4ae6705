//! What a client hears of by itself: a grant, and the listener that hears it.
//!
//! Absent on purpose: what a grant is worth when it arrives, which is decided above.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::store::clock::ClockReading;
use crate::store::key::LockKey;
use crate::store::token::Token;

/// A key that was handed to a waiter.
///
/// ```
/// use std::time::Duration;
/// use lock_runtime::store::{ClockId, ClockReading, Grant, Token};
///
/// let clock = ClockReading::new(ClockId::from_bits(3), 1_700_000_000_000_000);
/// let grant = Grant::new("job:42", Token::from_bits(2), 7, Duration::from_secs(1), clock);
/// assert_eq!((grant.fence, grant.fences), (7, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Grant {
    /// Which key.
    pub key: LockKey,
    /// Who holds it now.
    pub token: Token,
    /// The first of the fences that were reserved.
    pub fence: u64,
    /// How many they are.
    pub fences: u32,
    /// For how long, counted from when the store's clock showed `clock`.
    pub first_lease: Duration,
    /// What the store's clock showed at the hand-over. It counts beside readings of the same clock alone.
    pub clock: ClockReading,
}

impl Grant {
    /// The key is this token's for so long from `clock` on, which the store's clock showed at the hand-over; with one
    /// fence.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{ClockId, ClockReading, Grant, Token};
    ///
    /// let clock = ClockReading::new(ClockId::from_bits(3), 1_700_000_000_000_000);
    /// let grant = Grant::new("job:42", Token::from_bits(2), 7, Duration::from_secs(1), clock);
    /// assert_eq!((grant.key.as_str(), grant.clock), ("job:42", clock));
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, fence: u64, first_lease: Duration, clock: ClockReading) -> Self {
        Self { key: key.into(), token, fence, fences: 1, first_lease, clock }
    }

    /// The same with a block of fences, which begins with that one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{ClockId, ClockReading, Grant, Token};
    ///
    /// let clock = ClockReading::new(ClockId::from_bits(3), 1_700_000_000_000_000);
    /// let grant = Grant::new("job:42", Token::from_bits(2), 7, Duration::from_secs(1), clock).with_fences(32);
    /// assert_eq!((grant.fence, grant.fences), (7, 32));
    /// ```
    #[must_use]
    pub fn with_fences(self, fences: u32) -> Self {
        Self { fences, ..self }
    }
}

/// Names who is told of a client's grants: 128 random bits.
///
/// ```
/// use lock_runtime::store::ListenerId;
///
/// assert_eq!(ListenerId::from_bits(7).bits(), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(u128);

impl ListenerId {
    /// A listener from 128 bits that nobody else has.
    ///
    /// ```
    /// use lock_runtime::store::ListenerId;
    ///
    /// assert_ne!(ListenerId::from_bits(7), ListenerId::from_bits(8));
    /// ```
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits, for a store to write down.
    ///
    /// ```
    /// use lock_runtime::store::ListenerId;
    ///
    /// let channel = format!("wake:{:032x}", ListenerId::from_bits(0xab).bits());
    /// assert!(channel.ends_with("ab"));
    /// ```
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
/// Whoever can reach the store can forge a grant. So a store takes what it says (its fence, for instance) for true only
/// if somebody waited for its token, which nobody can guess.
///
/// ```
/// use lock_runtime::store::{Listener, ListenerId};
///
/// let listener = Listener::new(ListenerId::from_bits(7), |grant| {
///     println!("{} was granted", grant.key);
///     true // somebody waited for it
/// });
/// assert_eq!(listener.id().bits(), 7);
/// ```
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
    ///
    /// ```
    /// use lock_runtime::store::{Listener, ListenerId};
    ///
    /// assert_eq!(Listener::new(ListenerId::from_bits(7), |_| false).id(), ListenerId::from_bits(7));
    /// ```
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Tells it of a grant; whether it waited for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{ClockId, ClockReading, Grant, Listener, ListenerId, Token};
    ///
    /// let listener = Listener::new(ListenerId::from_bits(7), |grant| grant.token == Token::from_bits(2));
    /// let clock = ClockReading::new(ClockId::from_bits(3), 1_700_000_000_000_000);
    /// let forged = Grant::new("job:42", Token::from_bits(666), 7, Duration::from_secs(1), clock);
    /// assert!(!listener.hear(forged));
    /// ```
    pub fn hear(&self, grant: Grant) -> bool {
        (self.hear)(grant)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.id).finish()
    }
}
