//! The peer rlock's lock for readers and writers: one client a process.

use std::time::Duration;

use ::rlock::AcquireOptions;
use ::rlock::async_lock::{RLock, RReadLockGuard, RWriteLockGuard};

use super::{Locking, Locks, Outcome};
use crate::kind::Kind;

pub(crate) struct RlockReadWrite {
    client: RLock,
    options: AcquireOptions,
}

pub(crate) struct Waiter {
    key: String,
    client: RLock,
    options: AcquireOptions,
    writes: bool,
}

pub(crate) enum Held {
    Read(RReadLockGuard),
    Write(RWriteLockGuard),
}

impl RlockReadWrite {
    pub(crate) async fn connect(url: &str, every: Option<Duration>) -> Outcome<Self> {
        let options = match every {
            Some(every) => AcquireOptions::builder().retry_interval(every).build()?,
            None => AcquireOptions::default(),
        };
        Ok(Self { client: RLock::new(url).await?, options })
    }
}

impl Locks for RlockReadWrite {
    type Waiter = Waiter;

    async fn waiter(&self, key: &str) -> Outcome<Waiter> {
        let Self { client, options } = self;
        Ok(Waiter { key: key.to_owned(), client: client.clone(), options: options.clone(), writes: true })
    }
}

impl Locking for Waiter {
    type Held = Held;

    fn want(&mut self, kind: Kind) -> Outcome<()> {
        self.writes = match kind {
            Kind::Exclusive => true,
            Kind::Shared => false,
            Kind::Permit(_) => return Err("it has no permits".into()),
        };
        Ok(())
    }

    async fn acquire(&mut self) -> Outcome<Held> {
        let (key, options) = (self.key.as_str(), self.options.clone());
        if self.writes {
            Ok(Held::Write(self.client.acquire_write_with_options(key, options).await?))
        } else {
            Ok(Held::Read(self.client.acquire_read_with_options(key, options).await?))
        }
    }

    async fn release(&mut self, held: Held) -> Outcome<()> {
        match held {
            Held::Read(mut held) => Ok(held.release().await?),
            Held::Write(mut held) => Ok(held.release().await?),
        }
    }
}
