//! The peer distributed-lock-redis: one provider a process, one lock a key.

use ::distributed_lock_redis::{RedisDistributedLock, RedisLockHandle, RedisLockProvider};
use distributed_lock_core::prelude::*;

use super::locking::{Locking, Locks, Outcome, TTL};

pub(crate) struct DistributedLockRedis(RedisLockProvider);

pub(crate) struct Waiter(RedisDistributedLock);

impl DistributedLockRedis {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        Ok(Self(RedisLockProvider::builder().url(url).build().await?))
    }
}

impl Locks for DistributedLockRedis {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        Ok(Waiter(self.0.create_lock(key)))
    }
}

impl Locking for Waiter {
    type Held = RedisLockHandle;

    async fn acquire(&mut self) -> Outcome<RedisLockHandle> {
        Ok(self.0.acquire(Some(TTL)).await?)
    }

    async fn release(&mut self, held: RedisLockHandle) -> Outcome<()> {
        Ok(held.release().await?)
    }
}
