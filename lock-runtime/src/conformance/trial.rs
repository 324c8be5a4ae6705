//! What a promise is tested with: two sessions of one store, a key that nobody else has, tokens.
//!
//! Absent on purpose: panics. A trial returns what it saw, and the promise's name is added in one place.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::store::{
    Acquired, Ask, Look, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreFuture, Token,
};
use lock_core::LockKey;

/// A ttl that trials let expire; long enough that a busy machine sends its next request before that.
pub(super) const SHORT: Duration = Duration::from_millis(500);

/// A ttl that outlasts every trial.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// How long a trial waits for what must happen, even on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen instead of what was promised.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// Ends a trial unless the two are equal.
pub(super) fn expect<T: PartialEq + Copy + std::fmt::Debug>(came: T, promised: T, when: &str) -> Result<(), Broken> {
    if came == promised { Ok(()) } else { Err(Broken(format!("{when}: {came:?} instead of {promised:?}"))) }
}

/// Ends a trial unless the condition holds.
pub(super) fn ensure(is_so: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(Broken(what())) }
}

/// What one promise is tested with.
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    pub(super) session: Arc<dyn Session>,
    /// Another session of the same store.
    pub(super) other: Arc<dyn Session>,
    pub(super) key: LockKey,
}

impl Trial {
    pub(super) async fn new(store: Arc<dyn Store>, name: &str) -> Result<Self, Broken> {
        let (session, other) = (store.open().await?, store.open().await?);
        let key = format!("conformance:{name}:{:x}", random()).into();
        Ok(Self { store, session, other, key })
    }

    /// Another key of this trial.
    pub(super) fn key_with(&self, suffix: &str) -> LockKey {
        format!("{}:{suffix}", self.key).into()
    }

    pub(super) async fn acquire(&self, token: Token, ttl: Duration) -> Result<Acquired, Broken> {
        Ok(self.session.acquire(self.ask(token, ttl)).await?)
    }

    /// Acquires the key, which must be granted; returns the fence.
    pub(super) async fn acquired(&self, token: Token, ttl: Duration) -> Result<u64, Broken> {
        fence(self.acquire(token, ttl).await?, "an acquire of a free key")
    }

    /// Looks, through the other session.
    pub(super) async fn look(&self, token: Token, ttl: Duration) -> Result<Acquired, Broken> {
        let look = Look::new(self.key.clone(), token, ttl);
        Ok(self.other.look(look).await?)
    }

    /// The key must be held by another token.
    pub(super) async fn is_held(&self, when: &str) -> Result<(), Broken> {
        match self.look(token(), LONG).await? {
            Acquired::Held { .. } => Ok(()),
            Acquired::Granted { .. } => Err(Broken(format!("{when} the key was free"))),
            other => Err(Broken(format!("{when}: {other:?}"))),
        }
    }

    /// The key must be free; it is left free.
    pub(super) async fn is_free(&self, when: &str) -> Result<(), Broken> {
        let token = token();
        fence(self.look(token, LONG).await?, when)?;
        expect(self.release(token, None).await?, Released::Freed, "a release by the holder")
    }

    /// Waits until the key expires, which must not be earlier than `after` from `since` on.
    pub(super) async fn expires(&self, since: Instant, after: Duration) -> Result<(), Broken> {
        let token = token();
        while let Acquired::Held { .. } = self.look(token, LONG).await? {
            ensure(since.elapsed() < after + PATIENCE, || format!("the key outlived its ttl by {PATIENCE:?}"))?;
            // The next look has to come some time later, and no event tells when a key expires.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Two clocks are compared, and a store may count in whole milliseconds.
        let (lasted, tolerance) = (since.elapsed(), after / 50 + Duration::from_millis(2));
        expect(self.release(token, None).await?, Released::Freed, "a release by the holder")?;
        ensure(lasted + tolerance >= after, || format!("the key expired after {lasted:?} instead of {after:?}"))
    }

    pub(super) async fn renew(&self, token: Token, ttl: Duration) -> Result<Renewed, Broken> {
        let renewal = Renewal::new(self.key.clone(), token, ttl);
        match self.session.renew(vec![renewal]).await.pop() {
            Some(answer) => Ok(answer?),
            None => Err(Broken("a renewal was not answered".to_owned())),
        }
    }

    pub(super) async fn release(&self, token: Token, keep: Option<Duration>) -> Result<Released, Broken> {
        Ok(self.session.release(Release::new(self.key.clone(), token).with_keep(keep)).await?)
    }

    pub(super) fn ask(&self, token: Token, ttl: Duration) -> Ask {
        Ask::new(self.key.clone(), token, ttl)
    }
}

/// A new token.
pub(super) fn token() -> Token {
    Token::from_bits(random())
}

/// The fence of a grant, which it must be.
pub(super) fn fence(answer: Acquired, when: &str) -> Result<u64, Broken> {
    match answer {
        Acquired::Granted { fence, .. } => Ok(fence),
        other => Err(Broken(format!("{when} was not granted: {other:?}"))),
    }
}

/// Polls an operation once, so that it is sent.
pub(super) async fn poll_once<T>(operation: &mut StoreFuture<T>) -> Poll<T> {
    std::future::poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await
}

/// Sleeps until a ttl that began before this call is over; no event tells when a key expires.
pub(super) async fn past(ttl: Duration) {
    tokio::time::sleep(ttl + ttl / 2).await;
}

pub(super) fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without random bits two trials might share a key, which fails a trial but makes none pass wrongly.
    let _ = getrandom::fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}
