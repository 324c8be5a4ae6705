//! Which server keeps the locks, and how it is reached.

pub(super) mod address;
pub(super) mod role;
pub(super) mod single;
