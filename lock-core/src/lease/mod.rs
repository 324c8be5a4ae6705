//! The arithmetic of a lease, and until when its body may step.

mod validity;

pub use validity::Validity;

/// What a validity is shared by. A test of the runtime has a module of the same names that are loom's.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

    pub(super) use crate::planted::{Mutant, planted};
    pub(super) use crate::store::{LossReason, Moment};
}
