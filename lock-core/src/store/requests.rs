//! What a session is asked about one token that asks, holds or is given back, and what it answers.

use std::time::Duration;

use super::key::LockKey;
use super::queue::Entry;
use super::token::Token;

/// Asks for a key by a token that was never sent before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// What to take.
    pub key: LockKey,
    /// For whom.
    pub token: Token,
    /// For how long, unless renewed; whole milliseconds.
    pub ttl: Duration,
}

/// Asks for more time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Renewal {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// How long it shall last from now; whole milliseconds.
    pub ttl: Duration,
}

/// Gives a key back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
