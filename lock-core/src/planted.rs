//! Faults that can be planted on purpose, one at a time, to show that the checks find them.
//!
//! Only builds with `--cfg lock_planted` have them, which are this project's own checks. In every other build
//! [`planted`] is a constant, and what it guards is compiled out.

use std::sync::atomic::{AtomicU8, Ordering};

/// One fault: a mistake that a lock library could make, and that some have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A release frees the key whoever holds it.
    ReleaseWithoutCompare,
    /// A renewal lengthens the lease of whoever holds the key.
    RenewWithoutCompare,
    /// A lease counts from when its grant arrived.
    ClockFromReply,
    /// The margin is added to the deadline instead of being subtracted.
    MarginOfWrongSign,
    /// A body whose lease is lost runs on.
    LossIgnored,
    /// A renewal that failed counts as one that was confirmed.
    FailedRenewalCounts,
    /// Fences come from a counter that starts anew when the store forgets it.
    PlainFenceCounter,
    /// A lost body is dropped after the release of its lock.
    BodyOutlivesRelease,
    /// A request without an answer is repeated under a new token, and the old one is forgotten.
    RetryWithNewToken,
    /// A waiter with grant messages never looks.
    MessagesAlone,
    /// A hand-over counts from when its message arrived.
    HandOverFromArrival,
    /// The first lease of a hand-over is not renewed.
    FirstLeaseUnrenewed,
    /// The lock is handed to waiters that are gone.
    DeadWaiterNotSkipped,
    /// A key that is kept after its release still knows the token that gave it back.
    KeptByItsToken,
    /// A listener at a replica is told of a grant that its primary took back.
    ToldAtReplica,
    /// A grant that its task does not look at stays its own until the deadline.
    UnseenGrantKept,
    /// Sessions that fall silent are trusted, and replaced when they report an error.
    SilenceTrusted,
    /// A waiter that the store took for dead comes back behind all others.
    PlaceForgotten,
    /// A key whose work is done is kept, but those who ask are not told.
    DoneForgotten,
    /// A body that failed marks its key as done.
    FailureIsDone,
    /// An heir that nobody hears keeps its place in a set of holders.
    HeirNobodyHearsKept,
    /// A set of holders ends with the lease that was granted or renewed last, not with the longest.
    SetEndsWithTheLast,
    /// Holders whose leases have expired count as long as others hold.
    CountWithoutPurge,
    /// The release of one of a set frees the key.
    ReleaseFreesTheSet,
    /// The fence of a hand-over is reserved when its waiter enqueues.
    FenceAtEnqueue,
    /// A lease that is downgraded counts as exclusive until the answer.
    SharedFromReply,
    /// Who fits beside the holders passes the queue.
    QueuePassed,
    /// When a waiter leaves the queue, those behind it are not served.
    LeavingChangesNothing,
}

/// Every fault that can be planted.
pub const ALL: [Mutant; 28] = [
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
    Mutant::UnseenGrantKept,
    Mutant::SilenceTrusted,
    Mutant::PlaceForgotten,
    Mutant::DoneForgotten,
    Mutant::FailureIsDone,
    Mutant::HeirNobodyHearsKept,
    Mutant::SetEndsWithTheLast,
    Mutant::CountWithoutPurge,
    Mutant::ReleaseFreesTheSet,
    Mutant::FenceAtEnqueue,
    Mutant::SharedFromReply,
    Mutant::QueuePassed,
    Mutant::LeavingChangesNothing,
];

const NONE: u8 = u8::MAX;
static PLANTED: AtomicU8 = AtomicU8::new(NONE);

/// Plants a fault in this process in place of the one before, or none.
///
/// # Panics
/// In a build without planted faults.
pub fn plant(mutant: Option<Mutant>) {
    assert!(cfg!(lock_planted) || mutant.is_none(), "faults can be planted only in a build with --cfg lock_planted");
    PLANTED.store(mutant.map_or(NONE, |mutant| mutant as u8), Ordering::SeqCst);
}

/// Whether this fault is planted.
#[inline]
pub fn planted(mutant: Mutant) -> bool {
    cfg!(lock_planted) && PLANTED.load(Ordering::Relaxed) == mutant as u8
}
