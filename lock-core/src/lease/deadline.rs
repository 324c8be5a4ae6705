//! Until when a grant may be used.
//!
//! Must stay true: a deadline is counted from the instant before the request was sent, and ends before the key does.

use std::time::Duration;

use crate::planted::{Mutant, planted};
use crate::store::Moment;

/// How far the store's clock may drift from ours within one ttl.
pub fn drift(ttl: Duration) -> Duration {
    ttl / 100 + Duration::from_millis(2)
}

/// The time that is left for the body to be dropped in.
pub fn margin(ttl: Duration) -> Duration {
    (ttl / 20).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

/// How much of a ttl a body may use.
pub fn usable(ttl: Duration) -> Duration {
    if planted(Mutant::MarginOfWrongSign) {
        return ttl.saturating_sub(drift(ttl)) + margin(ttl);
    }
    ttl.saturating_sub(drift(ttl) + margin(ttl))
}

/// No step of the body may start from this instant on, for a grant or renewal that was sent at `sent`.
pub fn deadline(sent: Moment, ttl: Duration) -> Moment {
    sent + usable(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_deadline_leaves_drift_and_margin_before_the_ttl() {
        // 30 s: drift 302 ms, margin 1 s.
        assert_eq!(deadline(at(1000), Duration::from_secs(30)), at(1000 + 30_000 - 302 - 1000));
        // 50 ms: drift 2.5 ms, margin 5 ms.
        assert_eq!(deadline(at(0), Duration::from_millis(50)), Moment::from_nanos(42_500_000));
        assert_eq!(margin(Duration::from_secs(10)), Duration::from_millis(500));
    }
}
