//! An entry: one waiter in a key's queue.
//!
//! A queue is ordered by the store's clock at the first enqueue. A release hands the key to the first waiter who is
//! alive, and tells that waiter's listener, so that the lock changes hands in one message. Absent on purpose: for how
//! long to wait, how often to look, and what a grant is worth when it arrives; those are decided above.

use std::time::Duration;

use super::listener::ListenerId;
use crate::store::kind::Kind;
use crate::store::names::Names;

/// The most fences that a hand-over reserves. A store may take an entry that wants more for somebody else's work.
#[doc(hidden)]
pub const MOST_FENCES: u32 = 1024;

/// For how long a waiter that looks by itself counts as alive at most.
#[doc(hidden)]
pub const LONGEST_ALIVE: Duration = Duration::from_secs(24 * 3600);

/// Over how many entries that it does not know a hand-over steps at most.
#[doc(hidden)]
pub const MOST_STEPPED_OVER: usize = 64;

/// How many waiters one operation lets hold beside each other at most; later looks let in the rest.
#[doc(hidden)]
pub const MOST_HEIRS: usize = 256;

/// One waiter in a key's queue. It is the same in everything that is sent about one token, but for `alive_for` and
/// `lasts`.
///
/// Processes of several releases may wait for one key. So an entry has a [`version`](Self::version) and a
/// [`kind`](Self::kind), and a store leaves one of which it knows either not in its place: it is neither granted nor
/// removed, those behind it are served, and it is somebody who waits. Its own process looks, and takes the key when it
/// is free.
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
/// session.acquire(Ask::new("job:42", holder, ttl)).await?;
///
/// let entry = Entry::new(name, Duration::from_secs(1));
/// session.enqueue(Enqueue::new("job:42", waiter, ttl, entry)).await?;
///
/// session.release(Release::new("job:42", holder)).await?;
/// let grant = told.recv()?;
/// assert_eq!((grant.token, grant.first_lease), (waiter, Duration::from_secs(1)));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Entry {
    /// How it is to be read; [`Entry::VERSION`], unless it comes from elsewhere.
    pub version: u32,
    /// Who is told of the grant.
    pub listener: ListenerId,
    /// For how long the key is granted by a hand-over; whole milliseconds.
    pub first_lease: Duration,
    /// Beside whom. One that the store does not [claim to keep](super::super::Capabilities::keeps) is unknown to it.
    pub kind: Kind,
    /// How many fences a hand-over reserves; at least one, and 1024 at most.
    pub fences: u32,
    /// What the store's clock showed at the first enqueue of this waiter, in microseconds, if it queued before: its
    /// place. Another clock may have shown it; nobody's place is better than that of one who comes from the past.
    pub since: Option<u64>,
    /// For how long the waiter counts as alive although nobody listens for it: it will have looked again by then.
    /// A day at most.
    pub alive_for: Option<Duration>,
    /// For how long the queue is kept for want of another look, if that is more than half a minute. Nobody makes it
    /// less.
    pub lasts: Option<Duration>,
}

impl Entry {
    /// Of what this release knows.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
    /// assert_eq!(entry.version, Entry::VERSION);
    /// ```
    pub const VERSION: u32 = 1;

    /// Somebody who comes now, is granted the key for this long at first, with one fence and nobody beside, and is
    /// alive for as long as its listener hears.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1));
    /// assert_eq!((entry.fences, entry.since), (1, None));
    /// ```
    pub const fn new(listener: ListenerId, first_lease: Duration) -> Self {
        let kind = Kind::Exclusive;
        let version = Self::VERSION;
        Self { version, listener, first_lease, kind, fences: 1, since: None, alive_for: None, lasts: None }
    }

    /// The same of another version, for those who try what a store does with it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_version(2);
    /// assert_eq!(entry.version, 2);
    /// ```
    #[must_use]
    pub const fn with_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The same for a lock of another kind.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, Kind, ListenerId};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_kind(Kind::Shared);
    /// assert_eq!(entry.kind, Kind::Shared);
    /// ```
    #[must_use]
    pub const fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a block of fences.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_fences(32);
    /// assert_eq!(entry.fences, 32);
    /// ```
    #[must_use]
    pub const fn with_fences(self, fences: u32) -> Self {
        Self { fences, ..self }
    }

    /// The same in the place of one who came then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// // What the answer to its first enqueue said.
    /// let since = Some(1_700_000_000_000_000);
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_since(since);
    /// assert_eq!(entry.since, since);
    /// ```
    #[must_use]
    pub const fn with_since(self, since: Option<u64>) -> Self {
        Self { since, ..self }
    }

    /// The same for one who looks by itself.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// let period = Duration::from_millis(100);
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_alive_for(Some(3 * period));
    /// assert_eq!(entry.alive_for, Some(3 * period));
    /// ```
    #[must_use]
    pub const fn with_alive_for(self, alive_for: Option<Duration>) -> Self {
        Self { alive_for, ..self }
    }

    /// The same with a queue that is kept for longer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Entry, ListenerId};
    ///
    /// let minute = Duration::from_secs(60);
    /// let entry = Entry::new(ListenerId::from_bits(7), Duration::from_secs(1)).with_lasts(Some(minute));
    /// assert_eq!(entry.lasts, Some(minute));
    /// ```
    #[must_use]
    pub const fn with_lasts(self, lasts: Option<Duration>) -> Self {
        Self { lasts, ..self }
    }

    /// Shows its names.
    #[doc(hidden)]
    pub fn show_names(&mut self, names: &mut impl Names) {
        if let Some(since) = &mut self.since {
            names.clock(since);
        }
    }
}
