//! The arithmetic of a lease: deadlines, renewals, first leases, readings of a store's clock, pauses; and until when its
//! body may step.

mod backoff;
mod deadline;
mod fences;
mod first_lease;
mod look_period;
mod reading;
mod renewal;
mod terms;
mod validity;

pub use backoff::{Backoff, jitter};
pub use deadline::{deadline, drift, margin, usable};
pub use fences::Fences;
pub use first_lease::FirstLease;
pub use look_period::{A_SECOND, QUEUE_LASTS, crowd_period, fresh_for, period, queue_lasts};
pub use reading::Reading;
pub use renewal::{Rhythm, Schedule};
pub use terms::{Terms, Wait};
pub use validity::Validity;

/// What a validity is shared by. A test of the runtime has a module of the same names that are loom's.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

    pub(super) use crate::planted::{Mutant, planted};
    pub(super) use crate::store::{LossReason, Moment};
}
