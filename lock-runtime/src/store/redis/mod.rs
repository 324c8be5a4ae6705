//! Locks on a Redis or Valkey server: one round trip an operation.
//!
//! `topology` finds the server and makes sessions; `node` carries operations over one connection, in which `session`
//! sends, `script` calls scripts with what `calls` writes, `reply` reads what comes back, `wake` hears of what comes
//! unasked, `fault` says what an error means, `quote` what may be repeated of it, `names` what things are called. What
//! must stay true is listed at the head of each; the scripts are in `lua/`. Absent on purpose: second tries, renewal
//! schedules and every other decision; and types of the redis crate in what those above see.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod node;
mod settings;
mod topology;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::redis::{AsyncConnectionConfig, Client};

use super::{Listener, Session, Store, StoreError, StoreFuture};
use crate::api::error::ConnectError;
pub use settings::RedisSettings;

use node::names::Names;
use node::reply;
use topology::{address, single};

/// Locks on one Redis or Valkey server.
///
/// Clones are the same store, and share what they know of the server's fences.
///
/// A user of the server needs the namespace's keys and channels (those of a [`name_format`](RedisSettings::name_format)
/// where one is set), and these commands:
///
/// ```text
/// ACL SETUSER app on >secret ~lock:* resetchannels &lock:wake:* +set +incr +incrby +get +pttl +pexpire +del +exists +time
///     +eval +evalsha +zadd +zrem +zscore +zpopmin +publish +subscribe
/// ```
///
/// and `+select` where the URL names a database other than 0, as in `redis://host/3`.
///
/// Without the channels, `publish` or `subscribe` nobody is told of a lock that became free; those who wait look by
/// themselves. A replica, a node of a cluster and a Sentinel are refused when a session is opened, where the server says
/// in its reply to HELLO that it is one; once a session led to a primary, a replica there is [`Disconnected`], since a
/// failover is under way.
///
/// One of a session's connections hears what it is told over RESP3; where the server refuses that, or the URL says
/// `protocol=resp2`, a second connection does.
///
/// [`Disconnected`]: super::StoreErrorKind::Disconnected
///
/// ```
/// use lock_runtime::redis::{RedisSettings, RedisStore};
/// use lock_runtime::store::Store;
///
/// let store = RedisStore::from_url("redis://:secret@db.internal/3", RedisSettings::default())?;
/// assert_eq!(store.identity(), "redis://db.internal:6379/3#lock");
/// # Ok::<(), lock_runtime::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Place>);

/// A server, and what all sessions to it share.
struct Place {
    client: Client,
    /// The same for connections over which the server pushes; none if that is not wanted.
    pushing: Option<Client>,
    config: AsyncConnectionConfig,
    operation_timeout: Duration,
    names: Names,
    identity: String,
    /// Of the one counter there is.
    greatest_fence: AtomicU64,
    /// Whether a session led to a server that takes writes, so that a replica there is a failover, and no mistake.
    had_primary: AtomicBool,
}

impl Place {
    fn greatest_fence(&self) -> u64 {
        self.greatest_fence.load(Ordering::Relaxed)
    }

    /// Takes note of a block of fences, by its first; not of one that no counter of ours can have given.
    fn saw_fences(&self, fence: u64, fences: u32) {
        let last = fence.saturating_add(u64::from(fences.saturating_sub(1)));
        if last < reply::FENCE_LIMIT {
            self.greatest_fence.fetch_max(last, Ordering::Relaxed);
        }
    }

    /// Takes note of a block that a script minted, which was told `seen`. If it is smaller, the server did not believe
    /// that, nor does this client from now on: each of its acquires would have its fence minted once more.
    fn minted_fences(&self, seen: u64, fence: u64, fences: u32) {
        if fence < seen {
            // Unless another operation saw more in the meantime.
            let _ = self.greatest_fence.compare_exchange(seen, fence, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.saw_fences(fence, fences);
    }
}

impl RedisStore {
    /// A store at a URL: `redis://`, `rediss://` (feature `tls`) or `redis+unix://`, with user, password and
    /// database number. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ConnectError::InvalidUrl`] and [`ConnectError::InvalidOptions`], whose texts hold no password.
    #[allow(clippy::needless_pass_by_value)] // Settings are made for one store.
    pub fn from_url(url: &str, settings: RedisSettings) -> Result<Self, ConnectError> {
        let client = address::client(url, settings.root_certificates.as_deref())?;
        Self::at(&client, &settings, !address::asks_for_resp2(url))
    }

    /// A store at the server of your own client. It makes connections of its own; of the client's settings it adds
    /// keepalive, a time-out for unacknowledged data and a library name where the client has none.
    ///
    /// # Errors
    /// [`ConnectError::InvalidOptions`].
    #[allow(clippy::needless_pass_by_value)] // A client and settings are made for one store.
    pub fn from_client(client: Client, settings: RedisSettings) -> Result<Self, ConnectError> {
        if settings.root_certificates.is_some() {
            let text = "root_certificates are for URLs; give them to redis::Client::build_with_tls instead";
            return Err(ConnectError::InvalidOptions(text.to_owned()));
        }
        Self::at(&client, &settings, true)
    }

    fn at(client: &Client, settings: &RedisSettings, may_push: bool) -> Result<Self, ConnectError> {
        let names =
            Names::new(&settings.namespace, settings.name_format.as_deref()).map_err(ConnectError::InvalidOptions)?;
        let identity = address::identity(client.get_connection_info(), &names.fragment());
        let client = address::prepared(client, settings)?;
        let pushing = if may_push { Some(address::pushing(&client)?) } else { None };
        let config = address::config(settings);
        let operation_timeout = settings.operation_timeout;
        let (greatest_fence, had_primary) = (AtomicU64::new(0), AtomicBool::new(false));
        let place = Place { client, pushing, config, operation_timeout, names, identity, greatest_fence, had_primary };
        Ok(Self(Arc::new(place)))
    }
}

/// Shows where it leads to, without credentials.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(&self.0.identity).finish()
    }
}

impl Store for RedisStore {
    fn identity(&self) -> &str {
        &self.0.identity
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let place = Arc::clone(&self.0);
        Box::pin(async move {
            let session = single::open(place).await?;
            Ok(Arc::new(session) as Arc<dyn Session>)
        })
    }

    fn listen(&self, listener: Listener) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        let place = Arc::clone(&self.0);
        Box::pin(async move {
            let session = single::listen(place, listener).await?;
            Ok(Arc::new(session) as Arc<dyn Session>)
        })
    }

    fn queues(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Arc<Place> {
        RedisStore::from_url("redis://localhost", RedisSettings::default()).expect("a URL").0
    }

    #[test]
    fn no_fence_is_remembered_that_no_counter_gives() {
        let place = place();
        place.saw_fences(1_700_000_000_000_000, 32);
        for beyond in [reply::FENCE_LIMIT - 31, reply::FENCE_LIMIT, u64::MAX] {
            place.saw_fences(beyond, 32);
        }
        assert_eq!(place.greatest_fence(), 1_700_000_000_000_031);
    }

    #[test]
    fn what_a_server_does_not_believe_is_forgotten_unless_more_was_seen_meanwhile() {
        let place = place();
        place.saw_fences(4_000_000_000_000_000, 1);
        place.minted_fences(4_000_000_000_000_000, 1_700_000_000_000_000, 8);
        assert_eq!(place.greatest_fence(), 1_700_000_000_000_007);
        place.minted_fences(1_700_000_000_000_001, 1_700_000_000_000_000, 1);
        assert_eq!(place.greatest_fence(), 1_700_000_000_000_007);
    }
}
