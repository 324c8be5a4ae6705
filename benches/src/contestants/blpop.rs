//! The floor of a fair hand-over: a list with one element, which is the turn. No lock at all: a holder that ends takes
//! the turn with it.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client};

use super::{KEY, Locking, Locks, Outcome};

pub(crate) struct Blpop(Client);

/// With a connection of its own, since BLPOP blocks it.
pub(crate) struct Waiter(MultiplexedConnection);

impl Blpop {
    pub(crate) fn open(url: &str) -> Outcome<Self> {
        Ok(Self(Client::open(url)?))
    }
}

impl Locks for Blpop {
    type Waiter = Waiter;

    async fn waiter(&self) -> Outcome<Waiter> {
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        Ok(Waiter(self.0.get_multiplexed_async_connection_with_config(&patient).await?))
    }
}

impl Locking for Waiter {
    type Held = String;

    async fn acquire(&mut self) -> Outcome<String> {
        let (_, turn): (String, String) = self.0.blpop(KEY, 0.0).await?;
        Ok(turn)
    }

    async fn release(&mut self, turn: String) -> Outcome<()> {
        Ok(self.0.rpush(KEY, turn).await?)
    }
}
