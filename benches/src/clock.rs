//! One clock for all processes: nanoseconds of `CLOCK_MONOTONIC`, which a system has once.
//!
//! So times from the logs of several processes can be compared. Deliberately absent: the time of day.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment, in nanoseconds since some moment that all processes share.
pub(crate) type Moment = u64;

pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |part: i64| u64::try_from(part).expect("the clock started at zero");
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// A span as nanoseconds.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).expect("no benchmark lasts for centuries")
}
