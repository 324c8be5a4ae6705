//! One connection to one server: what is sent over it, and what the answers and messages mean.

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
