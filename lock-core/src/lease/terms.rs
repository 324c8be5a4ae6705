//! What an acquire asks for.

use std::time::Duration;

use crate::store::Kind;

/// What an acquire asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    pub kind: Kind,
    pub ttl: Duration,
    pub wait: Wait,
    pub renew: bool,
    pub max_hold: Option<Duration>,
    pub min_hold: Option<Duration>,
}

/// How long to wait for a lock that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    AtMost(Duration),
    Forever,
}
