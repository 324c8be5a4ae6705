//! What a contestant is: something that gives waiters a lock.

use std::error::Error;
use std::time::Duration;

use crate::kind::Kind;

/// What all contend for.
pub(crate) const CONTENDED: &str = "contended";
/// How long a lease lasts: longer than any run, so that no figure has expiry in it.
pub(super) const TTL: Duration = Duration::from_secs(30);

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a process has of a contestant.
pub(crate) trait Locks {
    type Waiter: Locking + 'static;

    /// One more waiter for this key, ready to acquire.
    async fn waiter(&self, key: &str) -> Outcome<Self::Waiter>;
}

/// One waiter: it acquires and releases in turn.
pub(crate) trait Locking: Send {
    type Held: Send;

    /// Asks for this kind from now on; at the beginning it is an exclusive lock. Most have no other.
    fn want(&mut self, kind: Kind) -> Outcome<()> {
        if kind == Kind::Exclusive { Ok(()) } else { Err(format!("it has no lock that is {kind}").into()) }
    }

    /// Waits for as long as it takes.
    fn acquire(&mut self) -> impl Future<Output = Outcome<Self::Held>> + Send;

    fn release(&mut self, held: Self::Held) -> impl Future<Output = Outcome<()>> + Send;
}
