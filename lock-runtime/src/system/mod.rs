//! What this crate uses of the machine: its clock, its random numbers, its names, ends and forks of the process, a
//! mutex, and foreign code.

pub(crate) mod clock;
pub(crate) mod foreign;
pub(crate) mod forks;
pub(crate) mod mutex;
pub(crate) mod paused;
pub(crate) mod process;
pub(crate) mod random;
#[cfg(test)]
pub(crate) mod strange;
