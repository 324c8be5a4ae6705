//! How often those who wait look, however many they are.
//!
//! Who is told of its grant looks only in case that a message is lost or a holder dies, so the looks of very many are
//! spread: the period grows with their number. Must stay true: so many looks a second at most; who is put off goes by
//! the age of its last look, so that nobody is passed over for ever. Absent on purpose: when a waiter looks for another
//! reason than that its period is over; those looks are not counted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::key::KeyId;
use crate::lease::A_SECOND;
use crate::store::Moment;

/// Keeps the looks of very many waiters apart.
///
/// The generic cell rate algorithm (ITU-T I.371): a look may be ahead of its time by a second's worth of looks.
#[derive(Debug)]
pub(super) struct LookLimiter {
    free_at: Moment,
    /// Those who would look and may not yet, with when they looked last. Some may not want to any more.
    put_off: BTreeSet<(Moment, KeyId)>,
}

impl Default for LookLimiter {
    fn default() -> Self {
        Self { free_at: Moment::MIN, put_off: BTreeSet::new() }
    }
}

impl LookLimiter {
    /// Whether one who looked last at that moment may look; it is put off else, until [`next`](Self::next) names it.
    pub(super) fn may_go(&mut self, now: Moment, id: KeyId, last: Moment) -> bool {
        let may = self.put_off.is_empty() && self.is_free(now);
        if may {
            self.went(now);
        } else {
            self.put_off.insert((last, id));
        }
        may
    }

    /// When the first of those who were put off may look.
    pub(super) fn due(&self) -> Moment {
        if self.put_off.is_empty() { Moment::MAX } else { self.free_at - A_SECOND_AHEAD }
    }

    /// Who was put off and may look now: whose last look is oldest. It counts once it [`went`](Self::went).
    pub(super) fn next(&mut self, now: Moment) -> Option<(Moment, KeyId)> {
        if self.is_free(now) { self.put_off.pop_first() } else { None }
    }

    /// A look was sent.
    pub(super) fn went(&mut self, now: Moment) {
        self.free_at = self.free_at.max(now) + A_SECOND_AHEAD / A_SECOND;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.put_off.is_empty()
    }

    fn is_free(&self, now: Moment) -> bool {
        self.free_at <= now + A_SECOND_AHEAD
    }
}

/// How far looks may be ahead of their time.
const A_SECOND_AHEAD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

    fn id(place: u32) -> KeyId {
        KeyId { arrival: place, place }
    }

    #[test]
    fn looks_are_put_off_when_there_are_too_many_and_go_by_the_age_of_the_last() {
        let mut looks = LookLimiter::default();
        let at_once = (0..10_000).take_while(|&n| looks.may_go(NOW, id(n), NOW)).count();
        assert!((500..=501).contains(&at_once), "{at_once}");
        for n in 0..1000 {
            assert!(!looks.may_go(NOW, id(20_000 + n), NOW - Duration::from_secs(1 + u64::from(n))));
        }
        let (mut now, mut ages) = (NOW, Vec::new());
        while looks.due() != Moment::MAX {
            now = now.max(looks.due());
            let Some((last, _)) = looks.next(now) else { panic!("somebody is due") };
            looks.went(now);
            ages.push(last);
        }
        assert!(ages.is_sorted() && ages.len() == 1001);
        assert!(now.since(NOW) >= Duration::from_millis(1990), "{:?}", now.since(NOW));
    }

    #[test]
    fn one_who_would_look_after_others_were_put_off_stands_behind_them() {
        let mut looks = LookLimiter::default();
        while looks.may_go(NOW, id(1), NOW) {}
        let later = NOW + Duration::from_secs(60);
        assert!(!looks.may_go(later, id(2), NOW + Duration::from_secs(30)));
        assert_eq!(looks.next(later).map(|(_, id)| id), Some(id(1)));
    }
}
