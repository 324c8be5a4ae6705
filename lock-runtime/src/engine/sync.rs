//! The primitives of a lease's state. `interleavings.rs` has a module with the same names from loom.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

pub(crate) use lock_core::lease::Validity;

pub(crate) use crate::system::mutex::enter;

#[cfg(test)]
pub(crate) use std::thread;

/// Tries a few interleavings; loom's `model` tries all.
#[cfg(test)]
pub(crate) fn model(tried: impl Fn()) {
    (0..10).for_each(|_| tried());
}
