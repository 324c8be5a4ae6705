//! What may happen in a state, what comes of it, and what must be true then.

pub(crate) mod connections;
pub(crate) mod keepers;
pub(crate) mod moments;
pub(crate) mod network;
pub(crate) mod settling;
pub(crate) mod steps;
pub(crate) mod tasks;
pub(crate) mod telling;
pub(crate) mod watching;
