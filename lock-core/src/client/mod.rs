//! All keys of one client: which key has which state, the timers, what goes out, sessions up and down, and how it closes.
//!
//! A [`ClientState`] is a value. It is told what happened and when, passes that on to the key that it concerns, and carries
//! out what the key wants: what is counted, filed, woken and sent is so in one place each.
//! Must stay true: a key is filed no later than the next moment at which the clock concerns it, before anybody asks.
//! Absent on purpose: clocks, sockets, tasks, randomness.

mod call_table;
mod closing;
mod contended;
mod keys;
mod look_limiter;
mod slab;
mod state;
#[cfg(test)]
mod tests;
mod timer_queue;

pub use closing::Closed;
pub use state::{ClientState, Tally};
