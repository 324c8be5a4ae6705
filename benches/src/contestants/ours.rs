//! This library: one client a process.

use lock_runtime::{Client, LockGuard, Released};

use super::locking::{Locking, Locks, Outcome, TTL};

/// Its client, connected and used once.
pub(crate) struct Ours(Client);

pub(crate) struct Waiter {
    client: Client,
    key: String,
}

impl Ours {
    pub(crate) async fn connect(url: &str, local_handover: bool) -> Outcome<Self> {
        let client = Client::builder().local_handover(local_handover).connect(url).await?;
        // A runtime's connection is made when it is first needed, which is now and not after the start.
        client.lock(format!("warm:{}", std::process::id())).acquire().await?.release().await?;
        Ok(Self(client))
    }
}

impl From<Client> for Ours {
    fn from(client: Client) -> Self {
        Self(client)
    }
}

impl Locks for Ours {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        Ok(Waiter { client: self.0.clone(), key: key.to_owned() })
    }
}

impl Locking for Waiter {
    type Held = LockGuard;

    async fn acquire(&mut self) -> Outcome<LockGuard> {
        Ok(self.client.lock(self.key.as_str()).ttl(TTL).wait_forever().acquire().await?)
    }

    async fn release(&mut self, held: LockGuard) -> Outcome<()> {
        match held.release().await? {
            Released::Freed => Ok(()),
            Released::NotOurs => Err("a release found that the lock was not ours".into()),
        }
    }
}
