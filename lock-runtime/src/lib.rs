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
//! | you want to | see |
//! |---|---|
//! | annotate a function; all options, and other attributes beside it | [`distributed_lock`] |
//! | lock by hand | [`Client::lock`], [`LockGuard`] |
//! | take several keys at once, without deadlock | [`Client::lock_all`], [`LockSet`], [`current_set`] |
//! | do something once in a period | the option `once`, [`LockRequest::once`], [`Outcome`] |
//! | have one of a fleet lead | [`Client::elect`], [`Election`], [`LeaderWatch`] |
//! | know what can go wrong | [`LockError`], [`LossReason`] |
//! | set the namespace, the default ttl, time-outs, certificates | [`ClientBuilder`] |
//! | know under which lock code runs, and its fence | [`current`], [`Lease`] |
//! | see who holds a key, and who waits | [`Client::inspect`] |
//! | follow what happens | [`guide::events`], [`Client::stats`] |
//! | use locks with `select!`, `join!` and buffered streams | [`guide::unpolled`] |
//! | keep locks in a place of your own | [`Store`], [`conformance`] |
//!
//! What is promised and what is not, and which settings a server needs, is in the project's `README.md`.
//!
//! # In a service
//!
//! **A job on a timer, on every node:** the first node whose timer fires runs it, the others skip the tick. `min_hold`
//! is more than the nodes' clocks differ by, and less than the time between two ticks.
//!
//! ```
//! # use lock_runtime::distributed_lock;
//! #[distributed_lock(key = "nightly", ttl = "1m", min_hold = "30s", or_else = lock_runtime::log_and_skip)]
//! async fn nightly() {
//!     // once per tick in the whole fleet
//! }
//! ```
//!
//! **A web handler:** two requests for one cart take turns, and who waits too long is told so.
//!
//! ```
//! # use lock_runtime::{distributed_lock, LockError};
//! use axum::{extract::Path, http::StatusCode};
//!
//! fn status(error: &LockError) -> StatusCode {
//!     match error {
//!         LockError::Busy { .. } => StatusCode::CONFLICT,
//!         LockError::InvalidKey { .. } => StatusCode::BAD_REQUEST, // the key came from outside
//!         _ => StatusCode::SERVICE_UNAVAILABLE,
//!     }
//! }
//!
//! #[distributed_lock(key = "cart:<id>", wait = "2s", or_else = |error| status(&error))]
//! async fn check_out(Path(id): Path<String>) -> StatusCode {
//!     StatusCode::OK
//! }
//! # let _: axum::Router = axum::Router::new().route("/carts/{id}/checkout", axum::routing::post(check_out));
//! ```
//!
//! **A worker of a queue:** what is delivered twice is worked on once at a time, and writes carry the fence.
//!
//! ```
//! # use lock_runtime::{distributed_lock, LockError};
//! # struct Order { id: u64 }
//! # async fn update(_: u64, _: i64) {}
//! #[distributed_lock(key = "order:<order.id>", ttl = "20s")]
//! async fn work(order: &Order) -> Result<(), LockError> {
//!     let lease = lock_runtime::current().expect("inside the body there is a lease");
//!     update(order.id, lease.fence_i64()).await; // .. WHERE id = $1 AND fence <= $2, in a column BIGINT NOT NULL
//!     Ok(())
//! }
//! ```
//!
//! **A test:** no server, nothing installed, and tests beside each other never meet. [`Client::scope`] runs annotated
//! functions on a client of their own, also in tasks that are spawned: `tokio::spawn(client.scope(..))`, where
//! [`Client::current`] is that client. [`LockError`] has constructors, to test what yours makes of each.
//!
//! ```
//! # use lock_runtime::{distributed_lock, Client, LockError};
//! # #[distributed_lock(key = "invoice:<id>")]
//! # async fn send(id: u64) -> Result<u64, LockError> { Ok(id) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("memory://").await?;
//! assert_eq!(client.scope(send(7)).await?, 7);
//! # Ok(()) }
//! ```
//!
//! **Shutting down:** bodies may finish within the grace, what still runs is dropped, and all is released.
//!
//! ```
//! # use std::time::Duration;
//! # use lock_runtime::Client;
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client = Client::connect("memory://").await?;
//! let report = client.shutdown(Duration::from_secs(10)).await;
//! assert!(report.left.is_empty()); // keys that nobody could release, and that stay for their ttl
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | what it adds | by default |
//! |---|---|---|
//! | `redis` | stores on Redis and Valkey; without it there is `memory://` alone | yes |
//! | `tls` | `rediss://`, with the cryptography of `ring` for these connections alone | no |
//! | `tls-no-provider` | `rediss://`, with the provider that the program installed | no |

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
pub use api::election::candidate::Election;
pub use api::election::term::Term;
pub use api::election::watch::LeaderWatch;
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
pub use api::several::acquire::AcquireSet;
pub use api::several::lease_set::{LeaseSet, current_set};
pub use api::several::lock_set::LockSet;
pub use api::several::request::LockSetRequest;
#[doc(hidden)]
pub use api::success::Success;
pub use api::success::{ByOutcome, Outcome, SucceededIf};
pub use engine::guarded::Guarded;
#[doc(hidden)]
pub use engine::judged::{Judge, Judged};
pub use engine::observe::Stats;
pub use engine::several::guarded::GuardedSet;
#[doc(inline)]
pub use lock_core::{KeyFault, LockError, LockKey, LossReason, OptionFault};
pub use lock_macros::distributed_lock;
pub use store::{Released, Store};

/// The README's code.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
