//! Locks on a Redis or Valkey server: one round trip per operation.
//!
//! `topology` says which server keeps the locks and opens sessions to it, `node` carries a session's operations over
//! one connection. The scripts are in `lua/`. Absent on purpose: retries, renewal schedules and every other decision;
//! and types of the redis crate in the interface to the layers above.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod node;
mod settings;
mod topology;

use std::fmt;
use std::sync::Arc;

use ::redis::Client;

use super::url::StoreUrl;
use super::{Capabilities, Listener, Session, Store, StoreError, StoreFuture};
pub use settings::RedisSettings;
pub(crate) use settings::Unusable;
use topology::address;
use topology::opener::Opener;
use topology::single::Single;

/// Locks on one Redis or Valkey server.
///
/// Clones are the same store, and share the greatest fence seen from the server.
///
/// The server's user needs the namespace's keys and channels (those of a [`name_format`](RedisSettings::name_format)
/// where one is set), and these commands:
///
/// ```text
/// ACL SETUSER app on >secret ~dlock:* resetchannels &dlock:wake:* +set +incr +incrby +get +pttl +pexpire +del +exists +time
///     +eval +evalsha +zadd +zrem +zscore +zpopmin +zrange +zcard +zremrangebyscore +pexpireat +publish +subscribe
/// ```
///
/// and `+select` where the URL names a database other than 0, as in `redis://host/3`. With `+info`, sessions see that
/// they lead to one server, and know more of how old a grant is that one of them asked for and another heard of;
/// nothing else depends on it.
///
/// Without the channels, `publish` or `subscribe` no waiter is told when it is granted a lock; waiters then poll. A
/// replica, a node of a cluster and a Sentinel are refused when a session is opened, if the server's reply to HELLO
/// says that it is one; once a session has led to a primary, a replica there is [`Disconnected`], because a failover is
/// in progress.
///
/// A session receives messages over its own connection with RESP3; where the server refuses that, or the URL says
/// `protocol=resp2`, over a second connection.
///
/// [`Disconnected`]: super::StoreErrorKind::Disconnected
///
/// ```
/// use lock_runtime::redis::{RedisSettings, RedisStore};
/// use lock_runtime::store::Store;
///
/// let store = RedisStore::from_url("redis://:secret@db.internal/3", RedisSettings::default())?;
/// assert_eq!(store.identity(), "redis://db.internal:6379/3#dlock");
/// # Ok::<(), lock_runtime::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Single>);

impl RedisStore {
    /// A store at a URL. Nothing is connected yet.
    pub(crate) fn at_url(url: &StoreUrl, settings: &RedisSettings) -> Result<Self, Unusable> {
        let client = address::client(url, settings)?;
        let opener = Opener::at_url(&client, settings)?;
        Self::at(&client, opener, settings, !address::asks_for_resp2(url))
    }

    /// A store at the server of a user's own client.
    pub(crate) fn of_client(client: &Client, settings: &RedisSettings) -> Result<Self, Unusable> {
        if settings.root_certificates.is_some() {
            let text =
                "root_certificates has no effect on a client of your own; give them to redis::Client::build_with_tls";
            return Err(Unusable::Settings(text.to_owned()));
        }
        Self::at(client, Opener::of_client(client), settings, true)
    }

    fn at(client: &Client, opener: Opener, settings: &RedisSettings, may_push: bool) -> Result<Self, Unusable> {
        Single::new(client, opener, settings, may_push).map(|server| Self(Arc::new(server)))
    }
}

/// Shows where it leads to, without credentials.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(&self.identity()).finish()
    }
}

impl Store for RedisStore {
    fn identity(&self) -> &str {
        self.0.identity()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_queues()
            .with_fence_blocks()
            .with_inspection()
            .with_shared()
            .with_weights()
            .with_done_marks()
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let server = Arc::clone(&self.0);
        Box::pin(async move {
            let session = server.open().await?;
            Ok(Arc::new(session) as Arc<dyn Session>)
        })
    }

    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let server = Arc::clone(&self.0);
        Box::pin(async move {
            let session = server.listen(listener).await?;
            Ok(Arc::new(session) as Arc<dyn Session>)
        })
    }
}
