//! The floor of a fair hand-over: a list with one element, which is the turn. No lock at all: a holder that ends takes
//! the turn with it.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client};

use super::{Locking, Locks, Outcome};

pub(crate) struct Blpop(Client);

/// With a connection of its own, since BLPOP blocks it.
pub(crate) struct Waiter {
    connection: MultiplexedConnection,
    key: String,
}

impl Blpop {
    pub(crate) fn open(url: &str) -> Outcome<Self> {
        Ok(Self(Client::open(url)?))
    }
}

impl Locks for Blpop {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = self.0.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(Waiter { connection, key: key.to_owned() })
    }
}

impl Locking for Waiter {
    type Held = String;

    async fn acquire(&mut self) -> Outcome<String> {
        let (_, turn): (String, String) = self.connection.blpop(&self.key, 0.0).await?;
        Ok(turn)
    }

    async fn release(&mut self, turn: String) -> Outcome<()> {
        Ok(self.connection.rpush(&self.key, turn).await?)
    }
}
