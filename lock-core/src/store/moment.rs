//! Moments: points in time, as whoever reads a clock gives them.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: nanoseconds on this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Before every other moment; a deadline that has always passed.
    pub const MIN: Self = Self(0);
    /// After every other moment; a deadline that never passes.
    pub const MAX: Self = Self(u64::MAX);

    /// A moment from its nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Its nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The last whole multiple of `step` since the clock started that is not after this.
    #[must_use]
    pub fn at_or_before(self, step: Duration) -> Self {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self(self.0 - self.0 % step)
    }

    /// How long after `earlier` this is; zero when it is not.
    pub const fn since(self, earlier: Self) -> Duration {
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
