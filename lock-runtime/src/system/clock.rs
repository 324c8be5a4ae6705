//! The clock: this crate reads the time here and nowhere else.
//!
//! It keeps counting while the machine is suspended (`CLOCK_BOOTTIME` where there is one), because leases keep expiring
//! meanwhile. Dates are read here too, and nothing that decides depends on them: they are shown, and fences begin there.

use std::time::{Duration, SystemTime};

pub(crate) use lock_core::Moment;

/// Now.
#[cfg(not(test))]
pub(crate) fn now() -> Moment {
    reading()
}

/// Now, for tests that suspend the machine.
#[cfg(test)]
pub(crate) fn now() -> Moment {
    reading() + suspend::slept()
}

/// How long ago 1970 began, by the machine's wall clock.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A reading of the clock.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn reading() -> Moment {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// The standard library's clock: on macOS it counts while the machine is suspended, elsewhere it may not.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn reading() -> Moment {
    use once_cell::sync::Lazy;
    use std::time::Instant;
    static START: Lazy<Instant> = Lazy::new(Instant::now);
    // An hour is added, so that moments before the start differ from `Moment::MIN`.
    Moment::from_nanos(3_600_000_000_000) + START.elapsed()
}

#[cfg(test)]
mod suspend;
