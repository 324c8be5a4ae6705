//! One connection to one server: what is sent over it, and what the answers and messages mean.
//!
//! `greeting` is said first. `session` carries operations, `script` calls scripts with what `calls` writes, `reply` reads
//! what comes back, `wake` takes what comes unasked. `fault` says what an error means, `quote` what may be repeated of
//! it, `names` what things are called, `state` is what all sessions share. What must stay true is listed at the head of
//! each. Absent on purpose: which server it is, and how it was reached.

mod calls;
pub(super) mod fault;
pub(super) mod greeting;
pub(super) mod names;
pub(super) mod quote;
pub(super) mod reply;
mod script;
pub(super) mod session;
pub(super) mod state;
pub(super) mod wake;
