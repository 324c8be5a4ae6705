//! The decisions of `lock-runtime`, and what a store of locks is: values and pure functions, without a clock, a socket,
//! a task or a random number.
//!
//! From below: `store` is what a store is asked and answers, `lease` the arithmetic of time, `key` one key of one client,
//! `walk` the way of one call, `client` all keys. Each uses those before it. `planted` is for this project's own checks.
//!
//! Users name `lock-runtime`, which re-exports what is public here. What is hidden is for this project's own crates, and
//! may change with every version.

#[doc(hidden)]
pub mod client;
#[doc(hidden)]
pub mod key;
#[doc(hidden)]
pub mod lease;
#[doc(hidden)]
pub mod planted;
pub mod store;
#[doc(hidden)]
pub mod walk;

pub use store::{KeyFault, LockError, LockKey, LossReason, OptionFault};
#[doc(hidden)]
pub use store::{Moment, cause};
