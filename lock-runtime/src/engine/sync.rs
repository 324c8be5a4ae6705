//! What a lease's state is shared by. `interleavings.rs` has a module of the same names that are loom's.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) use lock_core::lease::Validity;

pub(crate) use crate::system::mutex::enter;

#[cfg(test)]
pub(crate) use std::sync::atomic::AtomicBool;
#[cfg(test)]
pub(crate) use std::thread;

/// Tries it in a few of the orders that there are; loom's does in all.
#[cfg(test)]
pub(crate) fn model(tried: impl Fn()) {
    (0..10).for_each(|_| tried());
}
