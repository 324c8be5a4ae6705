//! A rate limit for the periodic looks of all waiters together.
//!
//! A waiter with grant messages looks only in case a message is lost or a holder dies, so the looks of very many are
//! spread: their period grows with their number. Must stay true: a bounded number of looks per second; deferred looks
//! are sent by the age of the waiter's last look, so that none starves. Absent on purpose: looks for any other reason,
//! which are not counted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::key::KeyId;
use crate::lease::LOOKS_PER_SECOND;
use crate::store::Moment;

/// Limits the rate of looks.
///
/// The generic cell rate algorithm (ITU-T I.371), with a burst of one second's looks.
#[derive(Debug)]
pub(super) struct LookLimiter {
    free_at: Moment,
    /// Deferred looks, with when their waiters looked last. Some may no longer be needed.
    deferred: BTreeSet<(Moment, KeyId)>,
}

impl Default for LookLimiter {
    fn default() -> Self {
        Self { free_at: Moment::MIN, deferred: BTreeSet::new() }
    }
}

impl LookLimiter {
    /// Whether a look may be sent now, for a waiter that last looked at `last`; else it is deferred until
    /// [`next_deferred`](Self::next_deferred) returns it.
    pub(super) fn admit(&mut self, now: Moment, id: KeyId, last: Moment) -> bool {
        let may = self.deferred.is_empty() && self.is_free(now);
        if may {
            self.record_sent(now);
        } else {
            self.deferred.insert((last, id));
        }
        may
    }

    /// When the first deferred look may be sent.
    pub(super) fn due(&self) -> Moment {
        if self.deferred.is_empty() { Moment::MAX } else { self.free_at - BURST }
    }

    /// The deferred look to send now: the one whose waiter's last look is oldest. It counts once it is
    /// [recorded](Self::record_sent).
    pub(super) fn next_deferred(&mut self, now: Moment) -> Option<(Moment, KeyId)> {
        if self.is_free(now) { self.deferred.pop_first() } else { None }
    }

    /// A look was sent.
    pub(super) fn record_sent(&mut self, now: Moment) {
        self.free_at = self.free_at.max(now) + BURST / LOOKS_PER_SECOND;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deferred.is_empty()
    }

    fn is_free(&self, now: Moment) -> bool {
        self.free_at <= now + BURST
    }
}

/// The burst: how far looks may be ahead of the rate.
const BURST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

    fn id(slot: u32) -> KeyId {
        KeyId { generation: slot, slot }
    }

    #[test]
    fn looks_over_the_rate_are_deferred_and_sent_by_the_age_of_the_last() {
        let mut looks = LookLimiter::default();
        let at_once = (0..10_000).take_while(|&n| looks.admit(NOW, id(n), NOW)).count();
        assert!((500..=501).contains(&at_once), "{at_once}");
        for n in 0..1000 {
            assert!(!looks.admit(NOW, id(20_000 + n), NOW - Duration::from_secs(1 + u64::from(n))));
        }
        let (mut now, mut ages) = (NOW, Vec::new());
        while looks.due() != Moment::MAX {
            now = now.max(looks.due());
            let Some((last, _)) = looks.next_deferred(now) else { panic!("somebody is due") };
            looks.record_sent(now);
            ages.push(last);
        }
        assert!(ages.is_sorted() && ages.len() == 1001);
        assert!(now.since(NOW) >= Duration::from_millis(1990), "{:?}", now.since(NOW));
    }

    #[test]
    fn a_look_that_comes_after_deferred_ones_is_deferred_behind_them() {
        let mut looks = LookLimiter::default();
        while looks.admit(NOW, id(1), NOW) {}
        let later = NOW + Duration::from_secs(60);
        assert!(!looks.admit(later, id(2), NOW + Duration::from_secs(30)));
        assert_eq!(looks.next_deferred(later).map(|(_, id)| id), Some(id(1)));
    }
}
