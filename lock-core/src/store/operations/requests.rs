//! What a session is asked about one token that asks, waits, holds or is given back.

use std::time::Duration;

use super::entry::Entry;
#[cfg(doc)]
use crate::store::capabilities::Capabilities;
use crate::store::key::LockKey;
use crate::store::kind::Kind;
use crate::store::token::Token;

/// Asks for a key by a token that was never sent before.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Acquired, Ask, MemoryStore, Store, Token};
///
/// let session = MemoryStore::new().open().await?;
/// let answer = session.acquire(Ask::new("job:42", Token::from_bits(1), Duration::from_secs(30))).await?;
/// assert!(matches!(answer, Acquired::Granted { .. }));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ask {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
    /// Beside whom; one that the store claims to keep.
    pub kind: Kind,
    /// Whether the answer should say for how long at most the key is held, if it is. A store may leave that out.
    pub time_left: bool,
}

impl Ask {
    /// Asks for the key for this long, and for nobody beside.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Ask, Kind, Token};
    ///
    /// let ask = Ask::new("job:42", Token::from_bits(1), Duration::from_secs(30));
    /// assert_eq!((ask.key.as_str(), ask.kind), ("job:42", Kind::Exclusive));
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, ttl: Duration) -> Self {
        Self { key: key.into(), token, ttl, kind: Kind::Exclusive, time_left: false }
    }

    /// The same, and if the key is held, the answer should say for how long at most.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use lock_runtime::store::{Acquired, Ask, MemoryStore, Store, Token};
    ///
    /// let session = MemoryStore::new().open().await?;
    /// let ask = |token| Ask::new("job:42", Token::from_bits(token), Duration::from_secs(30));
    /// session.acquire(ask(1)).await?;
    /// let answer = session.acquire(ask(2).with_time_left()).await?;
    /// assert!(matches!(answer, Acquired::Held { for_at_most: Some(_), .. }));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_time_left(self) -> Self {
        Self { time_left: true, ..self }
    }

    /// The same for a lock of another kind.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Ask, Kind, Token};
    ///
    /// let ask = Ask::new("job:42", Token::from_bits(1), Duration::from_secs(30)).with_kind(Kind::Shared);
    /// assert_eq!(ask.kind, Kind::Shared);
    /// ```
    #[must_use]
    pub fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

/// Asks for a key by a token that may have been sent before, without standing in its queue from now on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Acquired, Look, MemoryStore, Store, Token};
///
/// let (session, ttl) = (MemoryStore::new().open().await?, Duration::from_secs(30));
/// for _ in 0..2 {
///     let answer = session.look(Look::new("job:42", Token::from_bits(1), ttl)).await?;
///     assert!(matches!(answer, Acquired::Granted { .. })); // the second time to its own
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Look {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
    /// How many fences to reserve, if the key is granted; at least one.
    pub fences: u32,
    /// Beside whom; one that the store claims to keep.
    pub kind: Kind,
}

impl Look {
    /// Asks for the key for this long, with one fence, and for nobody beside.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Look, Token};
    ///
    /// let look = Look::new("job:42", Token::from_bits(1), Duration::from_secs(30));
    /// assert_eq!(look.fences, 1);
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, ttl: Duration) -> Self {
        Self { key: key.into(), token, ttl, fences: 1, kind: Kind::Exclusive }
    }

    /// The same for a lock of another kind.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Kind, Look, Token};
    ///
    /// let look = Look::new("job:42", Token::from_bits(1), Duration::from_secs(30)).with_kind(Kind::Shared);
    /// assert_eq!(look.kind, Kind::Shared);
    /// ```
    #[must_use]
    pub fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a block of fences.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Look, Token};
    ///
    /// let look = Look::new("job:42", Token::from_bits(1), Duration::from_secs(30)).with_fences(32);
    /// assert_eq!(look.fences, 32);
    /// ```
    #[must_use]
    pub fn with_fences(self, fences: u32) -> Self {
        Self { fences, ..self }
    }
}

/// Asks for a key by a token that waits for it, or is about to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Acquired, Enqueue, Entry, ListenerId, MemoryStore, Store, Token};
///
/// let session = MemoryStore::new().open().await?;
/// let (ttl, entry) = (Duration::from_secs(30), Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)));
/// let enqueue = |token| Enqueue::new("job:42", Token::from_bits(token), ttl, entry.clone());
///
/// assert!(matches!(session.enqueue(enqueue(1)).await?, Acquired::Granted { .. })); // it was free
/// assert!(matches!(session.enqueue(enqueue(2)).await?, Acquired::Held { queued_at: Some(_), .. }));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Enqueue {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
    /// How many fences to reserve, if the key is granted; at least one.
    pub fences: u32,
    /// The token's place in the queue, which it takes or keeps while somebody else holds the key; and the kind of lock.
    pub entry: Entry,
}

impl Enqueue {
    /// Asks for the key for this long, with as many fences and beside whom the entry says.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Enqueue, Entry, ListenerId, Token};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_fences(32);
    /// let enqueue = Enqueue::new("job:42", Token::from_bits(1), Duration::from_secs(30), entry);
    /// assert_eq!(enqueue.fences, 32);
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, ttl: Duration, entry: Entry) -> Self {
        Self { key: key.into(), token, ttl, fences: entry.fences, entry }
    }

    /// The same with another block of fences, if the key is granted at once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Enqueue, Entry, ListenerId, Token};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_fences(32);
    /// let enqueue = Enqueue::new("job:42", Token::from_bits(1), Duration::from_secs(30), entry).with_fences(8);
    /// assert_eq!((enqueue.fences, enqueue.entry.fences), (8, 32));
    /// ```
    #[must_use]
    pub fn with_fences(self, fences: u32) -> Self {
        Self { fences, ..self }
    }

    /// Apart: the look that it is, and the place in the queue.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Enqueue, Entry, ListenerId, Token};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
    /// let enqueue = Enqueue::new("job:42", Token::from_bits(1), Duration::from_secs(30), entry.clone());
    /// assert_eq!(enqueue.into_look().1, entry);
    /// ```
    #[must_use]
    pub fn into_look(self) -> (Look, Entry) {
        let Self { key, token, ttl, fences, entry } = self;
        (Look { key, token, ttl, fences, kind: entry.kind }, entry)
    }
}

/// Asks for more time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Ask, MemoryStore, Renewal, Renewed, Store, Token};
///
/// let (session, holder) = (MemoryStore::new().open().await?, Token::from_bits(1));
/// session.acquire(Ask::new("job:42", holder, Duration::from_secs(10))).await?;
/// let answers = session.renew(vec![Renewal::new("job:42", holder, Duration::from_secs(30))]).await;
/// assert!(matches!(answers[..], [Ok(Renewed::Renewed)]));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Renewal {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// How long it shall last from now; whole milliseconds.
    pub ttl: Duration,
    /// Beside whom it is held.
    pub kind: Kind,
}

impl Renewal {
    /// Asks for this long from now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Renewal, Token};
    ///
    /// let renewal = Renewal::new("job:42", Token::from_bits(1), Duration::from_secs(30));
    /// assert_eq!(renewal.ttl, Duration::from_secs(30));
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, ttl: Duration) -> Self {
        Self { key: key.into(), token, ttl, kind: Kind::Exclusive }
    }

    /// The same for a lock of another kind.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Kind, Renewal, Token};
    ///
    /// let renewal = Renewal::new("job:42", Token::from_bits(1), Duration::from_secs(30)).with_kind(Kind::Shared);
    /// assert_eq!(renewal.kind, Kind::Shared);
    /// ```
    #[must_use]
    pub fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

/// Gives a key back.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Ask, MemoryStore, Release, Released, Store, Token};
///
/// let (session, holder) = (MemoryStore::new().open().await?, Token::from_bits(1));
/// session.acquire(Ask::new("job:42", holder, Duration::from_secs(30))).await?;
/// let stranger = Release::new("job:42", Token::from_bits(2));
/// assert_eq!(session.release(stranger).await?, Released::NotOurs);
/// assert_eq!(session.release(Release::new("job:42", holder)).await?, Released::Freed);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Release {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// Keep the key for this long from now, be that more or less than what is left of its ttl, instead of freeing it at
    /// once; whole milliseconds. It is nobody's then, this token's neither.
    pub keep: Option<Duration>,
    /// What is [kept](Self::keep) says that what was to be done under it is done: whoever asks is told so. Only to a
    /// store that [claims](Capabilities::marks_done) it, and of an exclusive lease.
    pub done: bool,
    /// Take this entry of the token out of the queue, too.
    pub leave: Option<Box<Entry>>,
    /// Somebody was seen to wait for the key a moment ago. No more than a hint, for a store that frees faster when
    /// nobody waits.
    pub contended: bool,
    /// Beside whom it is held.
    pub kind: Kind,
}

impl Release {
    /// Frees the key, or hands it over.
    ///
    /// ```
    /// use lock_runtime::store::{Release, Token};
    ///
    /// let release = Release::new("job:42", Token::from_bits(1));
    /// assert!(release.keep.is_none() && release.leave.is_none() && !release.contended);
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token) -> Self {
        Self { key: key.into(), token, keep: None, done: false, leave: None, contended: false, kind: Kind::Exclusive }
    }

    /// The same for a lock of another kind.
    ///
    /// ```
    /// use lock_runtime::store::{Kind, Release, Token};
    ///
    /// assert_eq!(Release::new("job:42", Token::from_bits(1)).with_kind(Kind::Shared).kind, Kind::Shared);
    /// ```
    #[must_use]
    pub fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same, but keeps the key for that long, if there is that.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Release, Token};
    ///
    /// let left = Some(Duration::from_secs(3));
    /// assert_eq!(Release::new("job:42", Token::from_bits(1)).with_keep(left).keep, left);
    /// ```
    #[must_use]
    pub fn with_keep(self, keep: Option<Duration>) -> Self {
        Self { keep, ..self }
    }

    /// The same, and what is kept says that it is done.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Release, Token};
    ///
    /// let day = Some(Duration::from_secs(24 * 3600));
    /// assert!(Release::new("job:42", Token::from_bits(1)).with_keep(day).with_done().done);
    /// ```
    #[must_use]
    pub fn with_done(self) -> Self {
        Self { done: true, ..self }
    }

    /// The same, and takes that entry out of the queue, if there is one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId, Release, Token};
    ///
    /// let entry = Some(Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)));
    /// let release = Release::new("job:42", Token::from_bits(1)).with_leave(entry.clone());
    /// assert_eq!(release.leave.as_deref(), entry.as_ref());
    /// ```
    #[must_use]
    pub fn with_leave(self, leave: Option<Entry>) -> Self {
        Self { leave: leave.map(Box::new), ..self }
    }

    /// The same with the hint whether somebody waits.
    ///
    /// ```
    /// use lock_runtime::store::{Release, Token};
    ///
    /// assert!(Release::new("job:42", Token::from_bits(1)).with_contended(true).contended);
    /// ```
    #[must_use]
    pub fn with_contended(self, contended: bool) -> Self {
        Self { contended, ..self }
    }
}

/// Gives a key to the next waiter, or keeps it if there is none.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Ask, Entry, ListenerId, MemoryStore, Rotate, Rotated, Store, Token};
///
/// let (session, ttl) = (MemoryStore::new().open().await?, Duration::from_secs(30));
/// let (holder, next) = (Token::from_bits(1), Token::from_bits(2));
/// session.acquire(Ask::new("job:42", holder, ttl)).await?;
/// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
/// let answer = session.rotate(Rotate::new("job:42", holder, ttl, next, entry)).await?;
/// assert!(matches!(answer, Rotated::Retained { .. })); // nobody else waits
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// The place of `next`; and the kind of lock, which is that of both.
    pub entry: Entry,
}

impl Rotate {
    /// Hands the key over and queues `next` in that place; with as many fences as the entry asks for, if nobody else
    /// waits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId, Rotate, Token};
    ///
    /// let (holder, next) = (Token::from_bits(1), Token::from_bits(2));
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_fences(32);
    /// let rotation = Rotate::new("job:42", holder, Duration::from_secs(30), next, entry);
    /// assert_eq!((rotation.next, rotation.fences), (next, 32));
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, ttl: Duration, next: Token, entry: Entry) -> Self {
        Self { key: key.into(), token, ttl, fences: entry.fences, next, entry }
    }

    /// The same with another block of fences, if nobody else waits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId, Rotate, Token};
    ///
    /// let (holder, next) = (Token::from_bits(1), Token::from_bits(2));
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
    /// let rotation = Rotate::new("job:42", holder, Duration::from_secs(30), next, entry).with_fences(8);
    /// assert_eq!(rotation.fences, 8);
    /// ```
    #[must_use]
    pub fn with_fences(self, fences: u32) -> Self {
        Self { fences, ..self }
    }
}
