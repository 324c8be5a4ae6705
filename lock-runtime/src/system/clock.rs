//! The clock: where this crate reads the time, and nowhere else.
//!
//! It goes on counting while the machine sleeps (`CLOCK_BOOTTIME` where there is one), because a lease goes on
//! expiring meanwhile. It knows nothing of dates.

pub(crate) use lock_core::Moment;

/// Now.
#[cfg(not(test))]
pub(crate) fn now() -> Moment {
    reading()
}

/// Now, for tests that let the machine sleep.
#[cfg(test)]
pub(crate) fn now() -> Moment {
    reading() + suspend::slept()
}

/// What the clock says.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn reading() -> Moment {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// What the standard library's clock says: on macOS it counts during sleep, elsewhere it may not.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn reading() -> Moment {
    use once_cell::sync::Lazy;
    use std::time::Instant;
    static START: Lazy<Instant> = Lazy::new(Instant::now);
    // An hour on top, so that moments before the start can be told apart from `Moment::MIN`.
    Moment::from_nanos(3_600_000_000_000) + START.elapsed()
}

#[cfg(test)]
mod suspend;
