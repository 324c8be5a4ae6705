//! How a lock that was held is lost.

/// How a lock was lost.
///
/// ```
/// use lock_runtime::LossReason;
///
/// assert_eq!(LossReason::Stolen.to_string(), "its key was deleted or overwritten in the store");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LossReason {
    /// The deadline passed and no renewal had been confirmed.
    #[error("its lease expired before a renewal was confirmed")]
    Expired,
    /// The store said that the token does not hold the key: deleted, overwritten, or forgotten by the store.
    #[error("its key was deleted or overwritten in the store")]
    Stolen,
    /// It had been held for `max_hold`.
    #[error("`max_hold` was reached")]
    MaxHold,
    /// The client shut down and the grace was over.
    #[error("the client shut down")]
    Shutdown,
    /// This process was forked from the one that holds the lock, which goes on holding it.
    #[error("the process was forked, and the lock stays with the one that it was forked from")]
    Forked,
}

/// As a number, for those who share one; 0 is none.
#[doc(hidden)]
impl LossReason {
    const ALL: [Self; 5] = [Self::Expired, Self::Stolen, Self::MaxHold, Self::Shutdown, Self::Forked];

    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}
