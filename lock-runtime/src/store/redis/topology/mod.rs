//! Which server keeps the locks, and how it is reached.
//!
//! `address` makes a client of a URL, `role` says whether locks can be kept at a server, `single` opens sessions to one.
//! Absent on purpose: what is sent over a connection once it is open.

pub(super) mod address;
pub(super) mod role;
pub(super) mod single;
