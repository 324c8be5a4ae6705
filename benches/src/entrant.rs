//! Who takes part where nothing is contended.

use serde::{Deserialize, Serialize};

/// Each acquires and releases a lock that is free, in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Entrant {
    Bare,
    SameCommands,
    /// By `LockRequest`.
    Ours,
    Attribute,
    /// On the memory store.
    Memory,
    Rslock,
    Rlock,
    DistributedLockRedis,
    AsyncRedisLock,
    Distkit,
}

impl Entrant {
    pub(crate) const ALL: [Self; 10] = [
        Self::Bare,
        Self::SameCommands,
        Self::Ours,
        Self::Attribute,
        Self::Memory,
        Self::Rslock,
        Self::Rlock,
        Self::DistributedLockRedis,
        Self::AsyncRedisLock,
        Self::Distkit,
    ];
    /// Other libraries.
    pub(crate) const PEERS: [Self; 5] =
        [Self::Rslock, Self::Rlock, Self::DistributedLockRedis, Self::AsyncRedisLock, Self::Distkit];

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Attribute | Self::Memory)
    }

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "SET + EVALSHA",
            Self::SameCommands => "same commands",
            Self::Ours => "ours",
            Self::Attribute => "attribute",
            Self::Memory => "memory store",
            Self::Rslock => "rslock",
            Self::Rlock => "rlock",
            Self::DistributedLockRedis => "distributed-lock-redis",
            Self::AsyncRedisLock => "async-redis-lock",
            Self::Distkit => "distkit",
        }
    }

    /// What it is, for those who read the report.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Bare => {
                "bare redis-rs 1.8, one multiplexed connection: `SET NX PX`, and a compare-and-delete by EVALSHA; the \
                 least that a lock can do"
            }
            Self::SameCommands => {
                "bare redis-rs 1.8, the very commands that this library sends: `SET NX PX` and `INCR` of the fence in \
                 one write, and the script that frees a lock if nobody queues for it"
            }
            Self::Ours => "this library by `client.lock(key).acquire()` and `guard.release()`",
            Self::Attribute => {
                "this library by `#[distributed_lock(key = \"<key>\", client = client)]` on an empty body"
            }
            Self::Memory => "this library by `client.lock(key)` on `memory://`",
            Self::Rslock => "rslock 0.10 at its defaults, one manager",
            Self::Rlock => "rlock 0.2 at its defaults, one client",
            Self::DistributedLockRedis => {
                "distributed-lock-redis 0.2 at its defaults, one provider, a lock for each key"
            }
            Self::AsyncRedisLock => "async-redis-lock 0.4 at its defaults, one locker",
            Self::Distkit => "distkit 0.7 at its defaults, one connection manager, a mutex for each key",
        }
    }
}
