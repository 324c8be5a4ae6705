//! The peer rlock: one client a process.

use std::time::Duration;

use ::rlock::AcquireOptions;
use ::rlock::async_lock::{RLock, RLockGuard};

use super::{Locking, Locks, Outcome};

pub(crate) struct Rlock {
    client: RLock,
    options: AcquireOptions,
}

pub(crate) struct Waiter {
    key: String,
    client: RLock,
    options: AcquireOptions,
}

impl Rlock {
    pub(crate) async fn connect(url: &str, every: Option<Duration>) -> Outcome<Self> {
        let options = match every {
            Some(every) => AcquireOptions::builder().retry_interval(every).build()?,
            None => AcquireOptions::default(),
        };
        Ok(Self { client: RLock::new(url).await?, options })
    }
}

impl Locks for Rlock {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        Ok(Waiter { key: key.to_owned(), client: self.client.clone(), options: self.options.clone() })
    }
}

impl Locking for Waiter {
    type Held = RLockGuard;

    async fn acquire(&mut self) -> Outcome<RLockGuard> {
        Ok(self.client.acquire_mutex_with_options(self.key.as_str(), self.options.clone()).await?)
    }

    async fn release(&mut self, mut held: RLockGuard) -> Outcome<()> {
        Ok(held.release().await?)
    }
}
