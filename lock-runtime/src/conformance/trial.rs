//! What a promise is tried with: two sessions of one store, a key that nobody else has, tokens.
//!
//! Absent on purpose: panics. A trial ends with what was seen, and the promise's name is put to it in one place.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::store::{
    Acquired, Ask, Look, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreFuture, Token,
};
use lock_core::LockKey;

/// A ttl that trials wait for the end of, if the store can; long enough that a busy machine asks again before it is
/// over.
const SHORT: Duration = Duration::from_millis(500);

/// A ttl that outlasts every trial.
const LONG: Duration = Duration::from_secs(60);

/// How many fences a trial asks for at once, if the store can.
const BLOCK: u32 = 4;

/// How long a trial waits for what must come, on a machine that is busy with other things.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen instead of what was promised.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// Ends a trial unless what came is what was promised.
pub(super) fn expect<T: PartialEq + Copy + std::fmt::Debug>(came: T, promised: T, when: &str) -> Result<(), Broken> {
    if came == promised { Ok(()) } else { Err(Broken(format!("{when}: {came:?} instead of {promised:?}"))) }
}

/// Ends a trial unless something is so.
pub(super) fn ensure(is_so: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(Broken(what())) }
}

/// One promise's surroundings.
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    pub(super) session: Arc<dyn Session>,
    /// Another one to the same store.
    pub(super) other: Arc<dyn Session>,
    pub(super) key: LockKey,
    /// A ttl that ends soon.
    pub(super) short: Duration,
    /// One that outlasts the trial.
    pub(super) long: Duration,
    /// How many fences to ask for at once.
    pub(super) fences: u32,
    /// Whether the store can any ttl, however short.
    pub(super) is_exact: bool,
}

impl Trial {
    pub(super) async fn new(store: Arc<dyn Store>, name: &str, times: u32) -> Result<Self, Broken> {
        let (session, other) = (store.open().await?, store.open().await?);
        let key = format!("conformance:{name}:{:x}", random()).into();
        let claimed = store.capabilities();
        let short = (SHORT * times).max(claimed.shortest_ttl());
        Ok(Self {
            store,
            session,
            other,
            key,
            short,
            long: (LONG * times).max(4 * short).min(claimed.longest_ttl()),
            fences: if claimed.reserves_fences() { BLOCK } else { 1 },
            is_exact: claimed.shortest_ttl().is_zero(),
        })
    }

    /// A key of this trial's own.
    pub(super) fn key_with(&self, suffix: &str) -> LockKey {
        format!("{}:{suffix}", self.key).into()
    }

    pub(super) async fn acquire(&self, token: Token, ttl: Duration) -> Result<Acquired, Broken> {
        Ok(self.session.acquire(self.ask(token, ttl)).await?)
    }

    /// Acquires, which must be granted, and gives the fence.
    pub(super) async fn acquired(&self, token: Token, ttl: Duration) -> Result<u64, Broken> {
        fence(self.acquire(token, ttl).await?, "an acquire of a free key")
    }

    /// Looks, through the other session.
    pub(super) async fn look(&self, token: Token, ttl: Duration) -> Result<Acquired, Broken> {
        let look = Look::new(self.key.clone(), token, ttl);
        Ok(self.other.look(look).await?)
    }

    /// Somebody else must find the key held; the look takes it otherwise.
    pub(super) async fn is_held(&self, when: &str) -> Result<(), Broken> {
        match self.look(token(), self.long).await? {
            Acquired::Held { .. } => Ok(()),
            Acquired::Granted { .. } => Err(Broken(format!("{when} the key was free"))),
            other => Err(Broken(format!("{when}: {other:?}"))),
        }
    }

    /// Somebody else must find the key free; leaves it so.
    pub(super) async fn is_free(&self, when: &str) -> Result<(), Broken> {
        let token = token();
        fence(self.look(token, self.long).await?, when)?;
        expect(self.release(token, None).await?, Released::Freed, "a release by the holder")
    }

    /// Waits until the key expires, which must be `after` from `since` on and not earlier.
    pub(super) async fn expires(&self, since: Instant, after: Duration) -> Result<(), Broken> {
        let token = token();
        while let Acquired::Held { .. } = self.look(token, self.long).await? {
            ensure(since.elapsed() < after + PATIENCE, || format!("the key outlived its ttl by {PATIENCE:?}"))?;
            // The next look has to come some time later, and nothing tells when a key expires.
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

/// A token that nobody has.
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

/// Polls an operation once, so that it is on its way.
pub(super) async fn poll_once<T>(operation: &mut StoreFuture<T>) -> Poll<T> {
    std::future::poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await
}

/// Sleeps until a ttl that began before this call is over; nothing tells when a key expires.
pub(super) async fn past(ttl: Duration) {
    tokio::time::sleep(ttl + ttl / 2).await;
}

pub(super) fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without randomness two trials might share a key, which is a failed trial and not a wrong answer.
    let _ = getrandom::fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}
