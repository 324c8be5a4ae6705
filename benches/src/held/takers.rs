//! Who takes locks: this library, and what somebody would write over bare redis-rs.
//!
//! What must stay true: both use one connection, the same runtime, the same number of tasks and names of the same
//! length.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::{Client, LockGuard, Released};
use redis::Script;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::contestants::Outcome;

/// How many tasks take and release.
pub(crate) const TASKS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taker {
    Ours,
    Bare,
}

/// Takes locks, each of a key of its own.
pub(crate) trait Taking: Clone + Send + 'static {
    type Held: Send + 'static;

    fn take(&self, number: usize, ttl: Duration) -> impl Future<Output = Outcome<Self::Held>> + Send;

    fn give_back(&self, held: Self::Held) -> impl Future<Output = Outcome<()>> + Send;

    /// As far as it knows.
    fn is_held(held: &Self::Held) -> bool;
}

/// This library.
#[derive(Clone)]
pub(crate) struct Ours(pub(crate) Client);

/// SET NX PX, and a compare-and-delete.
#[derive(Clone)]
pub(crate) struct Bare {
    connection: MultiplexedConnection,
    release: Arc<Script>,
}

impl Ours {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        Ok(Self(Client::connect(url).await?))
    }
}

impl Taking for Ours {
    type Held = LockGuard;

    async fn take(&self, number: usize, ttl: Duration) -> Outcome<LockGuard> {
        Ok(self.0.lock(format!("held:{number}")).ttl(ttl).acquire().await?)
    }

    async fn give_back(&self, held: LockGuard) -> Outcome<()> {
        match held.release().await? {
            Released::Freed => Ok(()),
            Released::NotOurs => Err("a lock was not ours when it was released".into()),
        }
    }

    fn is_held(held: &LockGuard) -> bool {
        held.is_held()
    }
}

impl Bare {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        let release = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
        let connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { connection, release: Arc::new(Script::new(release)) })
    }
}

impl Taking for Bare {
    /// Name and token.
    type Held = (String, String);

    async fn take(&self, number: usize, ttl: Duration) -> Outcome<(String, String)> {
        let (name, token) = (name(number), format!("{number:032x}"));
        let mut set = redis::cmd("SET");
        set.arg(&name).arg(&token).arg("NX").arg("PX").arg(ttl.as_millis().to_string());
        let is_taken: bool = set.query_async(&mut self.connection.clone()).await?;
        if is_taken { Ok((name, token)) } else { Err(format!("{name} is held by somebody").into()) }
    }

    async fn give_back(&self, (name, token): (String, String)) -> Outcome<()> {
        let mut call = self.release.key(name);
        let deleted: i64 = call.arg(token).invoke_async(&mut self.connection.clone()).await?;
        if deleted == 1 { Ok(()) } else { Err("a lock was not ours when it was released".into()) }
    }

    fn is_held(_: &(String, String)) -> bool {
        true
    }
}

/// What a lock is called in the server.
pub(crate) fn name(number: usize) -> String {
    format!("dlock:{{held:{number}}}")
}

/// Runs it on a runtime of one thread.
pub(crate) fn on_one_thread<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}
