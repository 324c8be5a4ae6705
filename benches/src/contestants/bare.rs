//! Bare redis-rs, twice: the least that a lock can do, and the very commands that this library sends.
//!
//! What must stay true: one multiplexed connection a process, shared by all its tasks; a script's hash is worked out
//! once, and the server knows it before the start. [`SameCommands`] sends what `lock-runtime` does, byte for byte but
//! for the names: `SET` and `INCR` in one write, then the release script with the queue's keys. Neither renews, waits,
//! checks an answer's fence, or knows what a deadline is.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script};
use sha1_smol::Sha1;

use super::locking::{Locking, Locks, Outcome, TTL};

pub(super) const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// What this library frees an uncontended lock by.
const FREE: &str = include_str!("../../../lock-runtime/src/store/redis/lua/free.lua");

const COUNTER: &str = "bare:fence";

/// `SET key token NX PX ttl`, then a compare-and-delete by its hash.
pub(crate) struct Bare(Connection);

/// What this library sends, without this library.
pub(crate) struct SameCommands(Connection);

/// A connection, and the hash of the script that releases.
#[derive(Clone)]
struct Connection {
    connection: MultiplexedConnection,
    hash: String,
}

pub(crate) struct BareWaiter {
    at: Connection,
    key: String,
    tokens: Tokens,
}

pub(crate) struct SameWaiter {
    at: Connection,
    tokens: Tokens,
    lock: String,
    queue: String,
}

/// Tokens of one waiter: as long as a random one, and cheaper.
struct Tokens(u128);

impl Connection {
    async fn open(url: &str, script: &str, nodelay: bool) -> Outcome<Self> {
        let client = Client::open(url)?;
        let info = client.get_connection_info().clone();
        let tcp = info.tcp_settings().clone().set_nodelay(nodelay);
        let client = Client::open(info.set_tcp_settings(tcp))?;
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(TTL));
        let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        Script::new(script).load_async(&mut connection).await?;
        Ok(Self { connection, hash: Sha1::from(script).digest().to_string() })
    }
}

impl Bare {
    pub(crate) async fn connect(url: &str, nodelay: bool) -> Outcome<Self> {
        Ok(Self(Connection::open(url, COMPARE_AND_DELETE, nodelay).await?))
    }
}

impl SameCommands {
    pub(crate) async fn connect(url: &str, nodelay: bool) -> Outcome<Self> {
        let mut at = Connection::open(url, FREE, nodelay).await?;
        // A plausible counter, as a session of the library leaves it.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
        redis::cmd("SET").arg(COUNTER).arg(now.to_string()).exec_async(&mut at.connection).await?;
        Ok(Self(at))
    }
}

impl Tokens {
    fn of(key: &str) -> Self {
        let digits = Sha1::from(key).digest().to_string();
        Self(u128::from_str_radix(&digits[..32], 16).unwrap_or_default())
    }

    fn next(&mut self) -> String {
        self.0 = self.0.wrapping_add(1);
        format!("{:032x}", self.0)
    }
}

impl Locks for Bare {
    type Waiter = BareWaiter;

    async fn waiter(&self, key: &str) -> Outcome<BareWaiter> {
        Ok(BareWaiter { at: self.0.clone(), key: format!("bare:{{{key}}}"), tokens: Tokens::of(key) })
    }
}

impl Locking for BareWaiter {
    type Held = String;

    async fn acquire(&mut self) -> Outcome<String> {
        let token = self.tokens.next();
        let mut set = redis::cmd("SET");
        set.arg(&self.key).arg(&token).arg("NX").arg("PX").arg(ttl_ms());
        let granted: bool = set.query_async(&mut self.at.connection).await?;
        if granted { Ok(token) } else { Err("somebody else has the key".into()) }
    }

    async fn release(&mut self, token: String) -> Outcome<()> {
        let mut release = redis::cmd("EVALSHA");
        release.arg(&self.at.hash).arg(1).arg(&self.key).arg(token);
        freed(release.query_async(&mut self.at.connection).await?)
    }
}

impl Locks for SameCommands {
    type Waiter = SameWaiter;

    async fn waiter(&self, key: &str) -> Outcome<SameWaiter> {
        let lock = format!("bare:{{{key}}}");
        Ok(SameWaiter { at: self.0.clone(), tokens: Tokens::of(key), queue: format!("{lock}:queue"), lock })
    }
}

impl Locking for SameWaiter {
    type Held = String;

    async fn acquire(&mut self) -> Outcome<String> {
        let token = self.tokens.next();
        let mut both = redis::pipe();
        both.cmd("SET").arg(&self.lock).arg(&token).arg("NX").arg("PX").arg(ttl_ms());
        both.cmd("INCR").arg(COUNTER);
        let (granted, _fence): (bool, u64) = both.query_async(&mut self.at.connection).await?;
        if granted { Ok(token) } else { Err("somebody else has the key".into()) }
    }

    async fn release(&mut self, token: String) -> Outcome<()> {
        let mut release = redis::cmd("EVALSHA");
        release.arg(&self.at.hash).arg(2).arg(&self.lock).arg(&self.queue).arg(token);
        freed(release.query_async(&mut self.at.connection).await?)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half a minute")]
fn ttl_ms() -> u64 {
    TTL.as_millis() as u64
}

fn freed(deleted: i64) -> Outcome<()> {
    if deleted == 1 { Ok(()) } else { Err("a release found another's token".into()) }
}
