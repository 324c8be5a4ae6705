//! The arithmetic of a lease: deadlines, renewals, first leases, clock readings, back-off, pauses of
//! candidates; and until when its body may
//! start a step.

mod backoff;
mod candidacy;
mod deadline;
mod fences;
mod first_lease;
mod look_period;
mod reading;
mod renewal;
mod terms;
mod validity;

pub use backoff::{Backoff, jitter};
pub use candidacy::Candidacy;
pub use deadline::{deadline, drift, margin, usable};
pub use fences::Fences;
pub use first_lease::FirstLease;
pub use look_period::{LOOKS_PER_SECOND, QUEUE_KEPT_FOR, crowd_period, known_held_for, period, queue_kept_for};
pub use reading::Reading;
pub use renewal::{Rhythm, Schedule};
pub use terms::{Period, Terms, Wait};
pub use validity::Validity;

/// The primitives that a validity is made of. A test of the runtime has a module with the same names from loom.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

    pub(super) use crate::planted::{Mutant, planted};
    pub(super) use crate::store::{LossReason, Moment};
}
