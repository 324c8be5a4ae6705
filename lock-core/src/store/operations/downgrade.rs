//! What a session is asked to make of an exclusive lease.

use std::time::Duration;

use crate::store::key::LockKey;
use crate::store::token::Token;

/// Makes an exclusive lease a shared one, without a moment between in which it is nobody's.
///
/// From when it is sent on, the token counts as shared: its answer may be lost, and those who wait for a shared lock may
/// hold the key beside it by then. So it is renewed and released as a shared one, and whoever does that accepts a token
/// that still holds exclusively, too.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use lock_runtime::store::{Acquired, Ask, Downgrade, Kind, MemoryStore, Renewed, Store, Token};
///
/// let (session, writer, ttl) = (MemoryStore::new().open().await?, Token::from_bits(1), Duration::from_secs(30));
/// session.acquire(Ask::new("job:42", writer, ttl)).await?;
/// assert_eq!(session.downgrade(Downgrade::new("job:42", writer, ttl)).await?, Renewed::Renewed);
/// let reader = Ask::new("job:42", Token::from_bits(2), ttl).with_kind(Kind::Shared);
/// assert!(matches!(session.acquire(reader).await?, Acquired::Granted { .. }));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Downgrade {
    /// Which key.
    pub key: LockKey,
    /// Who must hold it.
    pub token: Token,
    /// How long it shall last from now, as by a renewal; whole milliseconds.
    pub ttl: Duration,
}

impl Downgrade {
    /// Of a lease that shall last for this long from now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lock_runtime::store::{Downgrade, Token};
    ///
    /// let downgrade = Downgrade::new("job:42", Token::from_bits(1), Duration::from_secs(30));
    /// assert_eq!(downgrade.key.as_str(), "job:42");
    /// ```
    pub fn new(key: impl Into<LockKey>, token: Token, ttl: Duration) -> Self {
        Self { key: key.into(), token, ttl }
    }
}
