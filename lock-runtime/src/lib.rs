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
//! The lock is acquired before the body's first step, renewed while it runs, and released on every way out. A body
//! whose lock is lost is dropped, and its caller gets [`LockError::Lost`]. Without the lock the body does not run.
//!
//! [`distributed_lock`] lists the attribute's options; [`Client`] is for those who lock by hand. What is promised and
//! what is not is in the README.

// So that the attribute's expansion, which names this crate, works in here too.
#[allow(unused_extern_crates)]
extern crate self as lock_runtime;

mod api;
pub mod conformance;
mod engine;
pub mod guide;
pub mod store;
mod system;

#[doc(hidden)]
#[allow(missing_docs)]
#[path = "private.rs"]
pub mod __private;

pub use api::acquire::Acquire;
pub use api::builder::ClientBuilder;
pub use api::client::{Client, ShutdownReport};
pub use api::error::{AlreadyInstalled, ConnectError};
pub use api::guard::LockGuard;
pub use api::inspect::{ClientReport, HolderReport, HolderState, KeyReport, WaiterReport};
pub use api::installed::{current, init};
pub use api::lease::{Ended, Lease};
pub use api::outcome::{FromLockError, Skipped, log_and_skip};
#[cfg(feature = "redis")]
pub use api::redis;
#[cfg(all(fuzzing, feature = "redis"))]
#[doc(hidden)]
pub use api::redis::read_any_reply;
pub use api::request::LockRequest;
pub use engine::guarded::Guarded;
pub use engine::observe::Stats;
#[doc(inline)]
pub use lock_core::{KeyFault, LockError, LockKey, LossReason, OptionFault};
pub use lock_macros::distributed_lock;
pub use store::{Released, Store};

/// The README's code.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
