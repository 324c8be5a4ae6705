//! [`Tally`]: how waiters were granted their leases, counted.

/// How waiters were granted their leases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub by_message: u64,
    pub by_look: u64,
    pub locally: u64,
}
