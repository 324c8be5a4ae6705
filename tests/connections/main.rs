//! Connections and servers that fail: one file a fault, and what a lock, a waiter and a caller see of it.
//!
//! Which connections are never made is in `refused`; which break is in `resets`, which fall silent in `silence`, which
//! bring a request or a reply late or not at all in `late_requests` and `lost_replies`, which nobody uses in `idle`,
//! and whose they are in `owners`. What servers do to all of them at once is in `standstill`, `busy` and `restarts`.
//!
//! What must stay true: a fault begins when its moment has come, which is awaited. Bounds in time are generous, since
//! machines are busy. Who looks at a key is never the client that held it.
//! Deliberately absent: processes that stop or die, which are in `exclusion` and `matrix`; connections that tell of
//! grants, which are in `waiting` and `store`; servers that change places, which are in `matrix` and `waiting`.

mod busy;
#[path = "../shared/callers.rs"]
mod callers;
mod faulted;
mod half_dead;
mod idle;
mod late_requests;
mod lost_replies;
mod owners;
mod refused;
mod resets;
mod restarts;
#[path = "../shared/session.rs"]
mod session;
mod silence;
mod standstill;
