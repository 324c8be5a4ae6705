//! The peer rslock: one manager a process.

use std::time::Duration;

use ::rslock::{LockGuard, LockManager};

use super::locking::{Locking, Locks, Outcome, TTL};

pub(crate) struct Rslock(LockManager);

pub(crate) struct Waiter {
    manager: LockManager,
    key: String,
}

impl Rslock {
    pub(crate) async fn connect(url: &str, pause_below: Option<Duration>) -> Outcome<Self> {
        let mut manager = LockManager::new(vec![url]);
        if let Some(pause_below) = pause_below {
            manager.set_retry(u32::MAX, pause_below);
        }
        // Its connection is made when it is first needed, which is now and not after the start.
        manager.acquire(format!("warm:{}", std::process::id()).as_str(), TTL).await?.release().await;
        Ok(Self(manager))
    }
}

impl Locks for Rslock {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        Ok(Waiter { manager: self.0.clone(), key: key.to_owned() })
    }
}

impl Locking for Waiter {
    type Held = LockGuard;

    async fn acquire(&mut self) -> Outcome<LockGuard> {
        Ok(self.manager.acquire(self.key.as_str(), TTL).await?)
    }

    async fn release(&mut self, held: LockGuard) -> Outcome<()> {
        held.release().await;
        Ok(())
    }
}
