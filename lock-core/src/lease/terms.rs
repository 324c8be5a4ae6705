//! The terms of an acquire.

use std::time::Duration;

use crate::store::Kind;

/// The terms of an acquire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    pub kind: Kind,
    pub ttl: Duration,
    pub wait: Wait,
    pub renew: bool,
    pub max_hold: Option<Duration>,
    pub min_hold: Option<Duration>,
    /// For how long from the grant a success counts.
    pub once: Option<Duration>,
}

/// How long to wait for a lock that is held elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    AtMost(Duration),
    Forever,
}
