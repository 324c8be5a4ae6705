//! One connection to one server: what is sent over it, and what replies and messages mean.
//!
//! `greeting` comes first. `session` carries operations, `script` calls scripts with what `calls` writes, `reply` reads
//! replies, `wake` receives messages. `fault` says what an error means, `quote` what may be shown of it, `names` how
//! keys and channels are named, `state` is shared by all sessions to a node, a `task` ends with what it works for.
//! What must stay true is stated at the top of each.
//! Absent on purpose: which server it is, and how it was reached.

mod calls;
pub(super) mod fault;
pub(super) mod greeting;
mod inspect;
pub(super) mod names;
pub(super) mod quote;
pub(super) mod reply;
mod script;
pub(super) mod session;
pub(super) mod state;
pub(super) mod task;
pub(super) mod wake;
