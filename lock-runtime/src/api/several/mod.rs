//! Several keys at once: request, guard, and what can be asked.

pub(crate) mod acquire;
pub(crate) mod lease_set;
pub(crate) mod lock_set;
pub(crate) mod request;
