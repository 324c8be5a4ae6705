//! This library: one client a process.

use lock_runtime::{Client, LockGuard, Released};

use super::locking::{Locking, Locks, Outcome, TTL};
use crate::kind::Kind;

/// Its client, connected and used once.
pub(crate) struct Ours(Client);

pub(crate) struct Waiter {
    client: Client,
    key: String,
    kind: Kind,
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
        Ok(Waiter { client: self.0.clone(), key: key.to_owned(), kind: Kind::Exclusive })
    }
}

impl Locking for Waiter {
    type Held = LockGuard;

    fn want(&mut self, kind: Kind) -> Outcome<()> {
        self.kind = kind;
        Ok(())
    }

    async fn acquire(&mut self) -> Outcome<LockGuard> {
        let request = self.client.lock(self.key.as_str()).ttl(TTL).wait_forever();
        let request = match self.kind {
            Kind::Exclusive => request,
            Kind::Shared => request.shared(),
            Kind::Permit(most) => request.permits(u32::try_from(most)?),
        };
        Ok(request.acquire().await?)
    }

    async fn release(&mut self, held: LockGuard) -> Outcome<()> {
        match held.release().await? {
            Released::Freed => Ok(()),
            Released::NotOurs => Err("a release found that the lock was not ours".into()),
        }
    }
}
