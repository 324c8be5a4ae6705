//! All keys of one client: their states, their timers, what is sent, connects and disconnects, and closing.
//!
//! A [`ClientState`] is a value. It is told what happened and when, passes that on to the key concerned, and carries
//! out the key's effects: counting, scheduling, waking and sending happen in one place each.
//! Must stay true: before anybody asks, each key is scheduled no later than the next moment at which the clock changes
//! anything for it.
//! Absent on purpose: clocks, sockets, tasks, randomness.

mod call_table;
mod closing;
mod contended;
mod keys;
mod look_limiter;
mod sessions;
mod slab;
mod state;
mod tally;
#[cfg(test)]
mod tests;
mod timer_queue;
mod trust;

pub use closing::Closed;
pub use sessions::SessionTable;
pub use state::ClientState;
pub use tally::Tally;
pub use trust::Probe;
