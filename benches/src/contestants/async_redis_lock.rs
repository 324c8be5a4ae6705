//! The peer async-redis-lock: one locker a process.

use ::async_redis_lock::{Lock, Locker};

use super::{Locking, Locks, Outcome};

pub(crate) struct AsyncRedisLock(Locker);

pub(crate) struct Waiter {
    locker: Locker,
    key: String,
}

impl AsyncRedisLock {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        Ok(Self(Locker::from_redis_url(url).await?))
    }
}

impl Locks for AsyncRedisLock {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        Ok(Waiter { locker: self.0.clone(), key: key.to_owned() })
    }
}

impl Locking for Waiter {
    type Held = Lock;

    async fn acquire(&mut self) -> Outcome<Lock> {
        Ok(self.locker.acquire(self.key.as_str()).await?)
    }

    async fn release(&mut self, held: Lock) -> Outcome<()> {
        Ok(held.release().await?)
    }
}
