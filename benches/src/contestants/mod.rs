//! Who takes part: each gives the same lock to waiters, in its own way.
//!
//! What must stay true: every contestant does just what its users would write, with one client a process where it is
//! made for that, and is connected before the start. What differs from its defaults is said in
//! [`Contestant::describe`]. Deliberately absent: measuring, which the worker does alike for all.

mod async_redis_lock;
mod bare;
mod blpop;
mod contestant;
mod distkit;
mod distributed_lock_redis;
mod local_queue;
mod locking;
mod nothing;
mod ours;
mod rlock;
mod rlock_read_write;
mod rslock;

pub(crate) use async_redis_lock::AsyncRedisLock;
pub(crate) use bare::{Bare, SameCommands};
pub(crate) use blpop::Blpop;
pub(crate) use contestant::Contestant;
pub(crate) use distkit::Distkit;
pub(crate) use distributed_lock_redis::DistributedLockRedis;
pub(crate) use local_queue::LocalQueue;
pub(crate) use locking::{CONTENDED, Locking, Locks, Outcome};
pub(crate) use nothing::Nothing;
pub(crate) use ours::Ours;
pub(crate) use rlock::Rlock;
pub(crate) use rlock_read_write::RlockReadWrite;
pub(crate) use rslock::Rslock;
