//! The clock: where this crate reads the time, and nowhere else.
//!
//! It goes on counting while the machine sleeps (`CLOCK_BOOTTIME` where there is one), because a lease goes on
//! expiring meanwhile. It knows nothing of dates.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: nanoseconds on this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Before every other moment; a deadline that has always passed.
    pub(crate) const MIN: Self = Self(0);
    /// After every other moment; a deadline that never passes.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// A moment from its nanoseconds.
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Its nanoseconds.
    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }

    /// The last whole multiple of `step` since the clock started that is not after this.
    pub(crate) fn at_or_before(self, step: Duration) -> Self {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self(self.0 - self.0 % step)
    }

    /// How long after `earlier` this is; zero when it is not.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Later by a duration, never later than [`Moment::MAX`].
impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Earlier by a duration, never earlier than [`Moment::MIN`].
impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

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
    Moment(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// What the standard library's clock says: on macOS it counts during sleep, elsewhere it may not.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn reading() -> Moment {
    use once_cell::sync::Lazy;
    use std::time::Instant;
    static START: Lazy<Instant> = Lazy::new(Instant::now);
    // An hour on top, so that moments before the start can be told apart from `Moment::MIN`.
    Moment(3_600_000_000_000) + START.elapsed()
}

#[cfg(test)]
mod suspend;
