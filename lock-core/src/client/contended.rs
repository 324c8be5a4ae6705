//! Keys with recent waiters: a call for one of them goes to the store's queue at once, instead of trying to take a free
//! lock first.
//!
//! Must stay true: it is bounded, and only a hint.

use std::collections::VecDeque;
use std::time::Duration;

use foldhash::HashMap;

use crate::store::LockKey;
use crate::store::Moment;

/// How long a key counts as contended.
const LASTS: Duration = Duration::from_secs(1);
/// How many keys are remembered.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Contended {
    until: HashMap<LockKey, Moment>,
    /// The same keys, oldest first; a key that was noted again is in it more than once.
    noted: VecDeque<(Moment, LockKey)>,
}

impl Contended {
    pub(super) fn note(&mut self, now: Moment, key: &LockKey) {
        let until = now + LASTS;
        self.until.insert(key.clone(), until);
        self.noted.push_back((until, key.clone()));
        while self.noted.len() > MOST || self.noted.front().is_some_and(|&(until, _)| until <= now) {
            let Some((until, key)) = self.noted.pop_front() else { return };
            if self.until.get(&key) == Some(&until) {
                self.until.remove(&key);
            }
        }
    }

    pub(super) fn has(&self, now: Moment, key: &LockKey) -> bool {
        !self.until.is_empty() && self.until.get(key).is_some_and(|&until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_contended_for_a_second_and_memory_is_bounded() {
        let (mut contended, now) = (Contended::default(), Moment::from_nanos(1_000_000_000_000));
        contended.note(now, &"a".into());
        assert!(contended.has(now, &"a".into()) && !contended.has(now, &"b".into()));
        assert!(!contended.has(now + LASTS, &"a".into()));
        for n in 0..5000 {
            contended.note(now, &format!("job:{n}").into());
        }
        assert_eq!((contended.until.len(), contended.noted.len()), (MOST, MOST));
        contended.note(now + LASTS, &"a".into());
        assert_eq!((contended.until.len(), contended.noted.len()), (1, 1));
    }
}
