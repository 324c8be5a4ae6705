//! A state: a value that is compared, and what is checked of it is remembered in it.

pub(crate) mod client;
pub(crate) mod memory;
pub(crate) mod names;
pub(crate) mod packet;
pub(crate) mod task;
pub(crate) mod world;
