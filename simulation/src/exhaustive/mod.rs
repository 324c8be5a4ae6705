//! An exhaustive check: every state of a few clients and one key, over the specification of all stores.
//!
//! A [`Plan`] says which calls come and how often what may go wrong. Between two moments all orders of events are
//! tried, and [`stateright`] keeps account of the states; the simulator draws a few orders of many more events. The
//! keys' states, the walks and the model are those that ship. What this adds is as little as can be: a client with one
//! key, connections that keep their order, and time that passes when nobody has anything to do.
//! Must stay true: a check has seen every state of its plan, or it says that it has not; no state is left out for its
//! depth or for want of time. Absent on purpose: clocks that differ, stores that forget, several keys, and clients that
//! close; the simulator has those.

mod check;
mod moves;
mod plan;
mod plans;
mod program;
mod state;

pub use check::{Report, check, situations};
pub use plan::{Faults, Plan};
pub use plans::{large, named, small};
pub use program::main;
pub use state::memory::Broken;
