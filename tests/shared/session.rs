//! A session with a server of the test's own: every operation of it by a token that is a number.
//!
//! Deliberately absent: waiters, and trying again.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::{
    Acquired, Ask, Look, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreErrorKind, Token,
};

pub(crate) const TTL: Duration = Duration::from_secs(30);

pub(crate) fn store(url: &str) -> RedisStore {
    RedisStore::from_url(url, RedisSettings::default()).expect("a store can be made of this URL")
}

pub(crate) async fn open(url: &str) -> Arc<dyn Session> {
    store(url).open().await.expect("a session can be opened")
}

pub(crate) async fn acquire(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Acquired, StoreError> {
    session.acquire(ask(key, token)).await
}

pub(crate) async fn look(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Acquired, StoreError> {
    session.look(Look::new(key, Token::from_bits(token), TTL)).await
}

pub(crate) async fn renew(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Renewed, StoreError> {
    let renewal = Renewal::new(key, Token::from_bits(token), TTL);
    session.renew(vec![renewal]).await.remove(0)
}

pub(crate) async fn release(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Released, StoreError> {
    session.release(Release::new(key, Token::from_bits(token))).await
}

pub(crate) fn ask(key: &str, token: u128) -> Ask {
    Ask::new(key, Token::from_bits(token), TTL)
}

#[track_caller]
pub(crate) fn fence(answer: Result<Acquired, StoreError>) -> u64 {
    match answer {
        Ok(Acquired::Granted { fence, .. }) => fence,
        other => panic!("not granted: {other:?}"),
    }
}

/// The kind of an error that must have come.
#[track_caller]
pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreErrorKind {
    answer.expect_err("an error was to come").kind()
}

/// Every operation by a token that holds nothing, and what kind of error each gave.
pub(crate) async fn kinds_of_all(session: &Arc<dyn Session>) -> [StoreErrorKind; 4] {
    [
        kind(acquire(session, "other", 7).await),
        kind(look(session, "other", 7).await),
        kind(renew(session, "other", 7).await),
        kind(release(session, "other", 7).await),
    ]
}
