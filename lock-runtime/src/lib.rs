//! Makes an async function run in one place at a time across a fleet.
//!
//! ```
//! use lock_runtime::{distributed_lock, LockError};
//!
//! #[distributed_lock(key = "job:<id>", ttl = "30s")]
//! async fn run_job(id: u64) -> Result<(), LockError> {
//!     // only one process in the fleet is in here for a given id
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     lock_runtime::init("memory://").await?; // once, at start-up; "redis://127.0.0.1:6379" for a fleet
//!     run_job(42).await?;
//!     Ok(())
//! }
//! ```
//!
//! The lock is acquired before the body's first step, renewed while it runs, and released on every way out. A body whose
//! lock is lost is dropped, and its caller gets [`LockError::Lost`]. Without the lock the body does not run.
//!
//! [`distributed_lock`] lists the attribute's options; [`Client`] is for those who lock by hand. What is promised and
//! what is not is in the README.

// So that the attribute's expansion, which names this crate, works in here too.
#[allow(unused_extern_crates)]
extern crate self as lock_runtime;

mod builder;
mod client;
mod clock;
mod core;
mod duration;
mod enclosing;
mod error;
mod exit;
mod foreign;
mod global;
mod guard;
mod guarded;
#[cfg(test)]
mod interleavings;
mod keeper;
mod key;
mod lines;
mod mutant;
mod mutex;
mod observe;
mod outcome;
mod random;
mod request;
mod seat;
mod shared;
#[cfg(feature = "proof")]
mod simulator;
pub mod store;
#[cfg(test)]
mod strange;
mod sync;
mod ticket;

#[doc(hidden)]
#[allow(missing_docs)]
pub mod private;

#[cfg(feature = "proof")]
#[doc(hidden)]
pub mod proof;

pub mod conformance;
#[cfg(feature = "redis")]
pub mod redis;

pub use builder::ClientBuilder;
pub use client::{Client, ShutdownReport};
pub use error::{AlreadyInstalled, ConnectError, LockError, LossReason, OptionFault};
pub use global::{current, init};
pub use guard::{Lease, LockGuard};
pub use guarded::Guarded;
pub use key::{KeyFault, LockKey};
pub use lock_macros::distributed_lock;
pub use observe::Stats;
pub use outcome::{FromLockError, Skipped, log_and_skip};
pub use request::LockRequest;
#[cfg(all(fuzzing, feature = "redis"))]
#[doc(hidden)]
pub use store::redis::fuzzing::read_any_reply;
pub use store::{Released, Store};

/// The README's code.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
