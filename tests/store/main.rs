//! The stores that we ship, each against its promises and each other, and Redis against what only Redis can do to a
//! lock.
//!
//! Everything here goes through `Store` and `Session`, as the layers above do; what a server holds is asked for with
//! the harness's own connection.

mod between;
mod clocks;
mod commands;
mod counter;
mod differential;
#[path = "../shared/fake.rs"]
mod fake;
mod first_calls;
mod fleet;
mod forged;
mod forgotten;
mod hand_over;
mod hostile;
mod inspection;
mod listening;
mod names;
mod openings;
mod promises;
mod queue;
mod replicas;
mod rights;
mod roles;
mod secrets;
#[path = "../shared/session.rs"]
mod session;
mod spoilt;
#[cfg(feature = "tls")]
mod tls;
mod unready;
mod versions;
mod waiters;

use session::{TTL, acquire, ask, fence, kind, kinds_of_all, look, open, release, renew, store};
