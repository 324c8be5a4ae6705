//! What everybody uses of the machine: its clock, its random numbers, a mutex, and code that is not ours.

pub(crate) mod clock;
pub(crate) mod foreign;
pub(crate) mod mutex;
pub(crate) mod random;
#[cfg(test)]
pub(crate) mod strange;
