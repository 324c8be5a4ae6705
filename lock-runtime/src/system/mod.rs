//! What this crate uses of the machine: its clock, its random numbers, a mutex, ends and forks of the process, and foreign
//! code.

pub(crate) mod clock;
pub(crate) mod foreign;
pub(crate) mod mutex;
pub(crate) mod process;
pub(crate) mod random;
#[cfg(test)]
pub(crate) mod strange;
