//! The decisions of `lock-runtime`, and what a store of locks is: values and pure functions, without a clock, a socket,
//! a task or a random number.
//!
//! The layers, from the lowest: `store` is what a store is, `lease` the arithmetic of time, `key` one key of one
//! client, `walk` the state machines of a call and of the keeper, `client` all keys. `planted` has faults for our own
//! checks.
//!
//! Users depend on `lock-runtime`, which re-exports what is public here. What is hidden is for this project's own
//! crates, and may change with every version.

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
