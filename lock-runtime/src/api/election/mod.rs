//! One of a fleet leads: standing for it, a term, and who watches.

pub(crate) mod candidate;
pub(crate) mod term;
pub(crate) mod watch;
