//! One clock for all processes: nanoseconds of `CLOCK_BOOTTIME`, which a system has once and leases count on.
//!
//! So times from the logs of several processes can be compared. Deliberately absent: the time of day.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment, in nanoseconds since some moment that all processes share.
pub(crate) type Moment = u64;

pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// A span as nanoseconds.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// What a body has to be dropped in, and how long one step of it may be, as the contract of the library says it.
pub(crate) fn margin(ttl: Duration) -> Duration {
    (ttl / 20).clamp(Duration::from_millis(5), Duration::from_secs(1))
}
