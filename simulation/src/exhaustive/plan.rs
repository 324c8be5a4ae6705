//! What is checked exhaustively: which clients call, on which terms, and how often what may go wrong.
//!
//! A plan is its own horizon: a call comes once, a body ends within a stated time, and faults are counted. So there are
//! finitely many states, and a check ends when it has seen them all.

use std::time::Duration;

use lock_core::lease::Terms;

/// How long an operation may stay without an answer.
pub(super) const OPERATION: Duration = Duration::from_millis(500);
/// What time passes in: whatever is due within a tick happens at its end, as timers do.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// How long a process, or what comes from the store, stands still at most: for longer than a lease lasts.
pub(super) const LONGEST_STALL: Duration = Duration::from_millis(1_300);
/// How long a request is delayed at most: a release is repeated for twice the time-out of an operation, and a request
/// that is later than all of these is left to its ttl.
pub(super) const LONGEST_DELAY: Duration = Duration::from_millis(900);

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is called.
    pub name: &'static str,
    /// How many clients there are.
    pub clients: usize,
    /// Each call: which client's it is, and its terms.
    pub calls: Vec<(usize, Terms)>,
    /// How long a body lasts at most, unless its process is stalled.
    pub longest_body: Duration,
    /// Whether the store sends grant messages; else whoever waits looks often.
    pub has_messages: bool,
    /// Whether a client passes a lease on without asking the store.
    pub local_handover: bool,
    /// How often a body renews its lease manually, for half of its ttl.
    pub manual_renewals: u8,
    /// How often a body makes its exclusive lease a shared one.
    pub downgrades: u8,
    /// How often what may go wrong.
    pub faults: Faults,
}

impl Plan {
    /// Whether no key expires while nothing goes wrong, so that whoever waits is handed it in turn.
    pub(super) fn expires_never(&self) -> bool {
        self.calls.iter().all(|(_, terms)| terms.renew && terms.min_hold.is_none() && terms.max_hold.is_none())
    }
}

/// How often each fault may still occur.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A request, a reply or a grant message is lost.
    pub losses: u8,
    /// A request is not executed, and answered with an error.
    pub errors: u8,
    /// A process, or one direction of a connection, does nothing for a while; time passes meanwhile.
    pub stalls: u8,
    /// A task is dropped, whatever it does.
    pub cancellations: u8,
    /// A process is killed, and the store notices.
    pub crashes: u8,
    /// A connection is reset, and opened again.
    pub resets: u8,
}
