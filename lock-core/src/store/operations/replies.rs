//! What a session answers.

use std::time::Duration;

use crate::store::clock::ClockReading;

/// What an ask was answered.
///
/// ```
/// use std::time::Duration;
/// use lock_runtime::store::Acquired;
///
/// let answers = [Acquired::granted(7), Acquired::held(Some(Duration::from_secs(30)))];
/// for answer in answers {
///     match answer {
///         Acquired::Granted { fence, .. } => assert_eq!(fence, 7),
///         Acquired::Held { for_at_most, .. } => assert_eq!(for_at_most, Some(Duration::from_secs(30))),
///         _ => unreachable!("there may be more answers one day"),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acquired {
    /// The token holds the key, and the grant carries this fence.
    #[non_exhaustive]
    Granted {
        /// Greater than the fence of every earlier grant of the key; the first, if several were reserved.
        fence: u64,
    },
    /// Another token holds the key.
    #[non_exhaustive]
    Held {
        /// When it expires unless renewed, as far as the store said.
        for_at_most: Option<Duration>,
        /// What the store's clock showed, if the token stands in the queue.
        queued_at: Option<ClockReading>,
    },
    /// Nobody holds the key: what was to be done under it [is done](super::Release::done), and the token stands in no
    /// queue.
    #[non_exhaustive]
    Done {
        /// When the key is free again.
        again_in: Duration,
    },
}

impl Acquired {
    /// The token holds the key; with the first of its fences.
    ///
    /// ```
    /// use lock_runtime::store::Acquired;
    ///
    /// assert!(matches!(Acquired::granted(7), Acquired::Granted { fence: 7, .. }));
    /// ```
    pub const fn granted(fence: u64) -> Self {
        Self::Granted { fence }
    }

    /// Another token holds the key: for so long at most, if that is known.
    ///
    /// ```
    /// use lock_runtime::store::Acquired;
    ///
    /// assert!(matches!(Acquired::held(None), Acquired::Held { for_at_most: None, queued_at: None, .. }));
    /// ```
    pub const fn held(for_at_most: Option<Duration>) -> Self {
        Self::Held { for_at_most, queued_at: None }
    }

    /// Another token holds the key, and the one that asked stands in the queue, as of this time by the store's clock.
    ///
    /// ```
    /// use lock_runtime::store::{Acquired, ClockId, ClockReading};
    ///
    /// let at = ClockReading::new(ClockId::from_bits(3), 1_700_000_000_000_000);
    /// assert!(matches!(Acquired::queued(None, at), Acquired::Held { queued_at: Some(_), .. }));
    /// ```
    pub const fn queued(for_at_most: Option<Duration>, at: ClockReading) -> Self {
        Self::Held { for_at_most, queued_at: Some(at) }
    }

    /// What was to be done is done, and the key is free again in so long.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::Acquired;
    ///
    /// assert!(matches!(Acquired::done(Duration::from_secs(30)), Acquired::Done { .. }));
    /// ```
    pub const fn done(again_in: Duration) -> Self {
        Self::Done { again_in }
    }
}

/// What a renewal was answered.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{MemoryStore, Renewal, Renewed, Store, Token};
///
/// let session = MemoryStore::new().open().await?;
/// let renewal = Renewal::new("job:42", Token::from_bits(1), Duration::from_secs(30));
/// let answers = session.renew(vec![renewal]).await;
/// assert!(matches!(answers[..], [Ok(Renewed::NotOurs)])); // nobody holds it
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Released {
    /// The token held the key, and no longer does. The key is free, or another's, or nobody's for what was left of
    /// `min_hold`.
    Freed,
    /// The token did not hold the key: it had expired, or somebody had taken it, or it had been released.
    NotOurs,
}

/// What a rotation was answered.
///
/// ```
/// use lock_runtime::store::Rotated;
///
/// let answer = Rotated::retained(7);
/// assert!(matches!(answer, Rotated::Retained { fence: 7, .. }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rotated {
    /// Nobody else waits: the token still holds the key, and these fences are its own.
    #[non_exhaustive]
    Retained {
        /// The first of the fences that were reserved.
        fence: u64,
    },
    /// The key went to another waiter, and `next` stands in the queue.
    #[non_exhaustive]
    HandedOver {
        /// What the store's clock showed.
        clock: ClockReading,
    },
    /// The key is free, and `next` does not stand in the queue.
    Freed,
    /// The token did not hold the key, and this rotation did not queue `next`; one before it, whose reply was lost, may
    /// have.
    NotOurs,
}

impl Rotated {
    /// The token still holds the key; with the first of its new fences.
    ///
    /// ```
    /// use lock_runtime::store::Rotated;
    ///
    /// assert!(matches!(Rotated::retained(7), Rotated::Retained { fence: 7, .. }));
    /// ```
    pub const fn retained(fence: u64) -> Self {
        Self::Retained { fence }
    }

    /// The key went to another waiter, at this time by the store's clock.
    ///
    /// ```
    /// use lock_runtime::store::{ClockId, ClockReading, Rotated};
    ///
    /// let at = ClockReading::new(ClockId::from_bits(3), 1_700_000_000_000_000);
    /// assert!(matches!(Rotated::handed_over(at), Rotated::HandedOver { clock, .. } if clock == at));
    /// ```
    pub const fn handed_over(clock: ClockReading) -> Self {
        Self::HandedOver { clock }
    }
}
