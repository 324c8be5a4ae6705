//! The terms of an acquire.

use std::num::NonZeroU64;
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
    pub once: Option<Period>,
}

/// How long to wait for a lock that is held elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    AtMost(Duration),
    Forever,
}

/// For how long a success counts. It takes half of the space of a duration: terms are a part of every call's future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period(NonZeroU64);

impl Period {
    /// None of no time at all, nor of more than five centuries.
    pub fn new(duration: Duration) -> Option<Self> {
        NonZeroU64::new(u64::try_from(duration.as_nanos()).ok()?).map(Self)
    }

    pub fn duration(self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}
