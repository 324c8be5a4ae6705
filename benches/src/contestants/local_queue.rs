//! What one writes without a library for one process: a fair queue in front of the plain lock of the Redis manual.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::bare::COMPARE_AND_DELETE;
use super::locking::{Locking, Locks, Outcome, TTL};

pub(crate) struct LocalQueue {
    connection: MultiplexedConnection,
    queue: Arc<Mutex<u64>>,
    release: Arc<Script>,
}

pub(crate) struct Waiter {
    key: String,
    connection: MultiplexedConnection,
    queue: Arc<Mutex<u64>>,
    release: Arc<Script>,
}

/// The turn in the queue, and the token in the server.
pub(crate) struct Held {
    turn: OwnedMutexGuard<u64>,
    token: String,
}

impl LocalQueue {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(TTL));
        let mut connection = Client::open(url)?.get_multiplexed_async_connection_with_config(&patient).await?;
        let release = Script::new(COMPARE_AND_DELETE);
        release.load_async(&mut connection).await?;
        Ok(Self { connection, queue: Arc::default(), release: Arc::new(release) })
    }
}

impl Locks for LocalQueue {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        let Self { connection, queue, release } = self;
        Ok(Waiter {
            key: key.to_owned(),
            connection: connection.clone(),
            queue: Arc::clone(queue),
            release: Arc::clone(release),
        })
    }
}

impl Locking for Waiter {
    type Held = Held;

    async fn acquire(&mut self) -> Outcome<Held> {
        let mut turn = Arc::clone(&self.queue).lock_owned().await;
        *turn += 1;
        let token = format!("{}:{}", std::process::id(), *turn);
        let mut set = redis::cmd("SET");
        set.arg(&self.key).arg(&token).arg("NX").arg("PX").arg(TTL.as_millis().to_string());
        let answer: Option<String> = set.query_async(&mut self.connection).await?;
        answer.ok_or("somebody else has the key, though this process is alone")?;
        Ok(Held { turn, token })
    }

    async fn release(&mut self, held: Held) -> Outcome<()> {
        let Held { turn, token } = held;
        let deleted: i64 = self.release.key(&self.key).arg(token).invoke_async(&mut self.connection).await?;
        drop(turn);
        if deleted == 1 { Ok(()) } else { Err("a release found another's token".into()) }
    }
}
