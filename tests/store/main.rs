//! The stores that we ship, each against its promises and each other, and Redis against what only Redis can do to a lock.
//!
//! Everything here goes through `Store` and `Session`, as the layers above do; what a server holds is asked for with
//! the harness's own connection.

mod commands;
mod counter;
mod differential;
mod fake;
mod first_calls;
mod forged;
mod forgotten;
mod hand_over;
mod hostile;
mod listening;
mod openings;
mod promises;
mod queue;
mod replicas;
mod rights;
mod roles;
mod secrets;
#[cfg(feature = "tls")]
mod tls;
mod trouble;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::{
    Acquired, Ask, Look, Release, Released, Renewal, Renewed, Session, Store, StoreError, StoreErrorKind, Token,
};
use tokio::time::timeout;

const TTL: Duration = Duration::from_secs(30);

fn store(url: &str) -> RedisStore {
    RedisStore::from_url(url, RedisSettings::default()).expect("a store can be made of this URL")
}

async fn open(url: &str) -> Arc<dyn Session> {
    store(url).open().await.expect("a session can be opened")
}

async fn acquire(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Acquired, StoreError> {
    session.acquire(ask(key, token)).await
}

async fn look(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Acquired, StoreError> {
    session.look(Look { key: key.into(), token: Token::from_bits(token), ttl: TTL, fences: 1 }).await
}

/// The same, and once more if the server had forgotten its script, as clients do.
async fn look_again(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Acquired, StoreError> {
    match look(session, key, token).await {
        Err(error) if error.kind() == StoreErrorKind::NotExecuted => look(session, key, token).await,
        answer => answer,
    }
}

async fn renew(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Renewed, StoreError> {
    let renewal = Renewal { key: key.into(), token: Token::from_bits(token), ttl: TTL };
    session.renew(vec![renewal]).await.remove(0)
}

async fn release(session: &Arc<dyn Session>, key: &str, token: u128) -> Result<Released, StoreError> {
    session
        .release(Release { key: key.into(), token: Token::from_bits(token), keep: None, leave: None, contended: false })
        .await
}

fn ask(key: &str, token: u128) -> Ask {
    Ask { key: key.into(), token: Token::from_bits(token), ttl: TTL }
}

#[track_caller]
fn fence(answer: Result<Acquired, StoreError>) -> u64 {
    match answer {
        Ok(Acquired::Granted { fence }) => fence,
        other => panic!("not granted: {other:?}"),
    }
}

/// The kind of an error that must have come.
#[track_caller]
fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreErrorKind {
    answer.expect_err("an error was to come").kind()
}

/// The kind of the first error that comes over a connection that was cut off. An operation that is sent in the very
/// moment of the end may stay without an answer, for which those who ask have a time-out.
async fn first_error(session: &Arc<dyn Session>) -> StoreErrorKind {
    for _ in 0..100 {
        if let Ok(answer) = timeout(Duration::from_millis(100), acquire(session, "other", 7)).await {
            return kind(answer);
        }
    }
    panic!("nothing is answered any more");
}

/// Every operation by a token that holds nothing, and what kind of error each gave.
async fn kinds_of_all(session: &Arc<dyn Session>) -> [StoreErrorKind; 4] {
    [
        kind(acquire(session, "other", 7).await),
        kind(look(session, "other", 7).await),
        kind(renew(session, "other", 7).await),
        kind(release(session, "other", 7).await),
    ]
}
