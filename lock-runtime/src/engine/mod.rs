//! Tasks, threads and time: carries out what the core decides.

pub(crate) mod acquiring;
pub(crate) mod alarms;
pub(crate) mod digest;
pub(crate) mod downgrading;
pub(crate) mod enclosing;
pub(crate) mod exit;
pub(crate) mod guarded;
pub(crate) mod handle;
pub(crate) mod holding;
pub(crate) mod inquiries;
#[cfg(test)]
mod interleavings;
pub(crate) mod introduction;
pub(crate) mod joined;
pub(crate) mod judged;
pub(crate) mod keeper;
pub(crate) mod lease_state;
pub(crate) mod mistakes;
pub(crate) mod observe;
mod outbox;
pub(crate) mod registry;
pub(crate) mod releasing;
mod sent;
pub(crate) mod sessions;
pub(crate) mod several;
pub(crate) mod shared;
mod stepped;
mod sync;
pub(crate) mod thread;
