//! Faults that can be planted on purpose, one at a time, so that the checks are seen to bite.
//!
//! Without the feature `proof`, which only this project's own proofs turn on, none can be planted: [`planted`] is a
//! constant, and what it guards is not compiled into anything.

/// One fault. Each is a mistake that a lock library could make, and that some have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "proof"), allow(unreachable_pub))]
pub enum Mutant {
    /// A release frees the key whoever holds it.
    ReleaseWithoutCompare,
    /// A renewal lengthens the lease of whoever holds the key.
    RenewWithoutCompare,
    /// A lease counts from when its grant arrived.
    ClockFromReply,
    /// The margin is added to the deadline instead of being taken off.
    MarginOfWrongSign,
    /// A body whose lease is lost runs on.
    LossIgnored,
    /// A renewal that failed counts as one that was confirmed.
    FailedRenewalCounts,
    #[cfg(feature = "proof")]
    /// Fences come from a counter that starts anew when the store forgets.
    PlainFenceCounter,
    /// A lost body is dropped after the release of its lock.
    BodyOutlivesRelease,
    /// An ask without an answer is repeated under a new token, and the old one is forgotten.
    RetryWithNewToken,
    /// Who is told of its grant never looks by itself.
    MessagesAlone,
    /// A hand-over counts from when its message arrived.
    HandOverFromArrival,
    /// The first lease of a hand-over is not renewed.
    FirstLeaseUnrenewed,
    /// The lock is handed to waiters who are gone.
    DeadWaiterNotSkipped,
    /// A key that is kept after its release still knows the token that gave it back.
    KeptByItsToken,
    #[cfg(feature = "proof")]
    /// Who listens at a replica is told of a grant that its primary took back.
    ToldAtReplica,
}

/// Whether this fault is planted.
#[cfg(not(feature = "proof"))]
pub(crate) const fn planted(_: Mutant) -> bool {
    false
}

#[cfg(feature = "proof")]
pub(crate) use chosen::planted;
#[cfg(feature = "proof")]
pub use chosen::{ALL, plant};

#[cfg(feature = "proof")]
mod chosen {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Mutant;

    /// Every fault that can be planted.
    pub const ALL: [Mutant; 15] = [
        Mutant::ReleaseWithoutCompare,
        Mutant::RenewWithoutCompare,
        Mutant::ClockFromReply,
        Mutant::MarginOfWrongSign,
        Mutant::LossIgnored,
        Mutant::FailedRenewalCounts,
        Mutant::PlainFenceCounter,
        Mutant::BodyOutlivesRelease,
        Mutant::RetryWithNewToken,
        Mutant::MessagesAlone,
        Mutant::HandOverFromArrival,
        Mutant::FirstLeaseUnrenewed,
        Mutant::DeadWaiterNotSkipped,
        Mutant::KeptByItsToken,
        Mutant::ToldAtReplica,
    ];

    const NONE: u8 = u8::MAX;
    static PLANTED: AtomicU8 = AtomicU8::new(NONE);

    /// Plants a fault in this process instead of the one before, or none.
    pub fn plant(mutant: Option<Mutant>) {
        PLANTED.store(mutant.map_or(NONE, |mutant| mutant as u8), Ordering::SeqCst);
    }

    pub(crate) fn planted(mutant: Mutant) -> bool {
        PLANTED.load(Ordering::Relaxed) == mutant as u8
    }
}
