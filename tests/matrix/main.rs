//! The rows of `tests/MATRIX.md` that no other test shows: one fault, one test, whose name is what must be seen.
//!
//! What must stay true: a fault is injected when its moment has come, which is awaited; bounds in time are one-sided,
//! and generous, since machines are busy. Who looks at a key is never the client that held it.
//! Deliberately absent: what other tests show already; the table says which.

mod bodies;
#[path = "../shared/callers.rs"]
mod callers;
mod date;
mod document;
mod failovers;
#[path = "../shared/fake.rs"]
mod fake;
mod fragile;
mod inputs;
mod keys;
mod many;
mod processes;
mod refusals;
mod rolling;
mod sets;
#[cfg(feature = "tls")]
mod tls;

use callers::{
    SOON, TTL, aside, connect, connect_impatient, lease, loss_of, name, staying, stays, until, until_renewed,
};
