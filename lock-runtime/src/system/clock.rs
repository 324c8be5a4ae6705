//! The clock: this crate reads the time here and nowhere else.
//!
//! It keeps counting while the machine sleeps, because leases keep expiring meanwhile. Which clock does so is chosen by
//! each system's documentation. Dates are read here too, and nothing that decides depends on them: they are shown, and
//! fences begin there.

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

/// A reading of the clock, where the system has one by POSIX that is known to count in sleep.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "fuchsia",
    target_os = "openbsd",
    target_vendor = "apple"
))]
fn reading() -> Moment {
    let time = rustix::time::clock_gettime(CLOCK);
    Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// `CLOCK_MONOTONIC` stops in sleep here; "identical, except that it also includes any time that the system is
/// suspended" is this one.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia", target_os = "openbsd"))]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;

/// It "will continue to increment while the system is asleep"; the standard library's clock is `CLOCK_UPTIME_RAW`,
/// which does not.
#[cfg(target_vendor = "apple")]
const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The standard library's clock. On Windows it is the performance counter, which includes "the time when the machine
/// was in a sleep state". On FreeBSD it is `CLOCK_MONOTONIC`, for which `CLOCK_BOOTTIME` is another name. Elsewhere it
/// may stop in sleep.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "fuchsia",
    target_os = "openbsd",
    target_vendor = "apple"
)))]
fn reading() -> Moment {
    use once_cell::sync::Lazy;
    use std::time::Instant;
    static START: Lazy<Instant> = Lazy::new(Instant::now);
    // An hour is added, so that moments before the start differ from `Moment::MIN`.
    Moment::from_nanos(3_600_000_000_000) + START.elapsed()
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::time::{ClockId, clock_gettime};

    #[test]
    fn the_clock_is_the_one_that_counts_while_the_machine_sleeps() {
        let named = match std::env::consts::OS {
            "linux" | "android" | "fuchsia" | "openbsd" => Some("Boottime"),
            "macos" | "ios" | "tvos" | "watchos" | "visionos" => Some("Monotonic"),
            _ => None,
        };
        #[cfg(any(
            target_os = "linux",
            target_os = "android",
            target_os = "fuchsia",
            target_os = "openbsd",
            target_vendor = "apple"
        ))]
        assert_eq!(Some(format!("{:?}", super::CLOCK).as_str()), named);
        #[cfg(not(any(
            target_os = "linux",
            target_os = "android",
            target_os = "fuchsia",
            target_os = "openbsd",
            target_vendor = "apple"
        )))]
        assert_eq!(None, named);
    }

    /// What sleeps counts for both, and nothing else does for one alone.
    #[test]
    fn it_is_not_behind_the_clock_that_may_stop() {
        let monotonic = clock_gettime(ClockId::Monotonic);
        assert!(super::now().nanos() >= monotonic.tv_sec.unsigned_abs() * 1_000_000_000);
    }
}

#[cfg(test)]
mod suspend;
