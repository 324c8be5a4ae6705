//! The specification of every store, as a value.

mod expiring;
mod holders;
mod locks;
mod queue;
mod specification;

pub use specification::Model;
