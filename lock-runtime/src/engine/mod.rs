//! Tasks, threads and time: who carries out what the core decides.

pub(crate) mod enclosing;
pub(crate) mod exit;
pub(crate) mod guarded;
pub(crate) mod handle;
#[cfg(test)]
mod interleavings;
pub(crate) mod keeper;
pub(crate) mod lease_state;
pub(crate) mod lines;
pub(crate) mod observe;
pub(crate) mod shared;
mod sync;
pub(crate) mod ticket;
