//! Several keys at once: the same roads as those of one key, walked one after the other.

pub(crate) mod acquiring;
pub(crate) mod guarded;
pub(crate) mod held;
pub(crate) mod leases;
pub(crate) mod releasing;
