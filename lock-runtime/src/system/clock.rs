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

/// A reading of the system's clock that counts in sleep.
#[cfg(unix)]
fn reading() -> Moment {
    let Some(clock) = CLOCK else { return standard() };
    let time = rustix::time::clock_gettime(clock);
    Moment::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

#[cfg(not(unix))]
fn reading() -> Moment {
    standard()
}

/// The clock that counts in sleep, by POSIX, where one is known. On Linux and its kin `CLOCK_MONOTONIC` stops, and
/// "identical, except that it also includes any time that the system is suspended" is another one. On Apple's systems
/// it "will continue to increment while the system is asleep", and the standard library's, `CLOCK_UPTIME_RAW`, does
/// not.
#[cfg(unix)]
const CLOCK: Option<rustix::time::ClockId> = {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia", target_os = "openbsd"))]
    let clock = Some(rustix::time::ClockId::Boottime);
    #[cfg(target_vendor = "apple")]
    let clock = Some(rustix::time::ClockId::Monotonic);
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "fuchsia",
        target_os = "openbsd",
        target_vendor = "apple"
    )))]
    let clock = None;
    clock
};

/// The standard library's clock. On Windows it is the performance counter, which includes "the time when the machine
/// was in a sleep state". On FreeBSD it is `CLOCK_MONOTONIC`, for which `CLOCK_BOOTTIME` is another name. Elsewhere it
/// may stop in sleep.
fn standard() -> Moment {
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
        assert_eq!(super::CLOCK.map(|clock| format!("{clock:?}")).as_deref(), named);
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
