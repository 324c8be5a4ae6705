//! The attribute in a crate of edition 2021. What it does at run time is in the tests.
//!
//! What this edition rejects stays rejected: a temporary of the last expression outlives the locals, so it may not
//! borrow from one.
//!
//! ```compile_fail
//! use lock_runtime::{distributed_lock, LockError};
//!
//! #[distributed_lock(key = "job")]
//! async fn count() -> Result<usize, LockError> {
//!     let list = std::cell::RefCell::new(vec![1]);
//!     match list.borrow().len() {
//!         length => Ok(length),
//!     }
//! }
//! ```
//!
//! That it is this and nothing else which is rejected shows the same function with the value in a local:
//!
//! ```
//! use lock_runtime::{distributed_lock, LockError};
//!
//! #[distributed_lock(key = "job")]
//! async fn count() -> Result<usize, LockError> {
//!     let list = std::cell::RefCell::new(vec![1]);
//!     let counted = match list.borrow().len() {
//!         length => Ok(length),
//!     };
//!     counted
//! }
//! ```
