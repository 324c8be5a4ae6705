//! The peer distkit: one connection manager a process, one mutex a key.

use std::sync::Arc;

use ::distkit::DistkitRedisKey;
use ::distkit::lock::{LockOptions, Mutex, MutexGuard};
use redis::Client;
use redis::aio::ConnectionManager;

use super::{Locking, Locks, Outcome};

pub(crate) struct Distkit(ConnectionManager);

pub(crate) struct Waiter(Arc<Mutex>);

impl Distkit {
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        Ok(Self(Client::open(url)?.get_connection_manager().await?))
    }
}

impl Locks for Distkit {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        let key = DistkitRedisKey::try_from(key.replace(':', "_"))?;
        Ok(Waiter(Mutex::new(LockOptions::new(key, self.0.clone()))))
    }
}

impl Locking for Waiter {
    type Held = MutexGuard;

    async fn acquire(&mut self) -> Outcome<MutexGuard> {
        Ok(self.0.lock().await?)
    }

    async fn release(&mut self, held: MutexGuard) -> Outcome<()> {
        held.release().await?;
        Ok(())
    }
}
