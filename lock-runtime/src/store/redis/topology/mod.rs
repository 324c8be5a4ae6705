//! Which server keeps the locks, and how it is reached.
//!
//! `address` makes a client from a URL, `opener` opens connections, with TLS by `tls`, `role` says whether a server can
//! keep locks, `single` opens sessions to one server. Absent on purpose: what is sent over a connection once it is
//! open.

pub(super) mod address;
pub(super) mod opener;
pub(super) mod role;
pub(super) mod single;
#[cfg(feature = "tls-no-provider")]
mod tls;
