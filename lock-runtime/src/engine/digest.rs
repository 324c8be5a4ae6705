//! Failures of one kind and cause, told together: at most one warning a second, which says how many there were.
//!
//! When a store is in trouble, each of a hundred thousand locks meets that at each try. Must stay true: the first is
//! told at once, none is left untold, and time is an argument.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use lock_core::{LockKey, Moment};

use crate::store::{StoreError, StoreErrorKind};
use crate::system::mutex::enter;

/// How far apart two warnings of one kind and cause are at least.
const APART: Duration = Duration::from_secs(1);

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Failed {
    Acquire,
    Renewal,
    Release,
    /// The task of a waiter did not look at its grant.
    Look,
}

/// So many failures, of which the first is named.
#[derive(Debug)]
pub(crate) struct Warning {
    pub(crate) failed: Failed,
    pub(crate) failures: u64,
    pub(crate) key: LockKey,
    pub(crate) error: Option<StoreError>,
}

/// What becomes of a failure.
#[derive(Debug)]
pub(crate) enum Noted {
    Tell(Warning),
    /// Later, with others; and whether it is the first of these.
    HeldBack {
        first: bool,
    },
}

/// See the module. It has an entry for each kind and cause that there ever was, and there are few of either.
#[derive(Debug, Default)]
pub(crate) struct Digest(Mutex<HashMap<(Failed, Option<StoreErrorKind>), Burst>>);

#[derive(Debug)]
struct Burst {
    told: Moment,
    held_back: Option<Warning>,
}

impl Digest {
    pub(crate) fn note(&self, now: Moment, failed: Failed, key: &LockKey, error: Option<&StoreError>) -> Noted {
        let warning = || Warning { failed, failures: 1, key: key.clone(), error: error.cloned() };
        let cause = (failed, error.map(StoreError::kind));
        let mut bursts = enter(&self.0);
        let Some(burst) = bursts.get_mut(&cause) else {
            bursts.insert(cause, Burst { told: now, held_back: None });
            return Noted::Tell(warning());
        };
        let first = burst.held_back.is_none();
        match &mut burst.held_back {
            Some(held_back) => held_back.failures += 1,
            none => *none = Some(warning()),
        }
        burst.overdue(now).map_or(Noted::HeldBack { first }, Noted::Tell)
    }

    /// What was held back for long enough.
    pub(crate) fn overdue(&self, now: Moment) -> Vec<Warning> {
        enter(&self.0).values_mut().filter_map(|burst| burst.overdue(now)).collect()
    }

    /// When something that is held back is to be told.
    pub(crate) fn due(&self) -> Moment {
        let bursts = enter(&self.0);
        let held_back = bursts.values().filter(|burst| burst.held_back.is_some());
        held_back.map(|burst| burst.told + APART).min().unwrap_or(Moment::MAX)
    }
}

impl Burst {
    fn overdue(&mut self, now: Moment) -> Option<Warning> {
        let warning = self.held_back.take_if(|_| self.told + APART <= now)?;
        self.told = now;
        Some(warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn note(digest: &Digest, now: Moment, key: &str, kind: StoreErrorKind) -> Option<u64> {
        match digest.note(now, Failed::Renewal, &key.into(), Some(&StoreError::new(kind, "trouble"))) {
            Noted::Tell(warning) => Some(warning.failures),
            Noted::HeldBack { .. } => None,
        }
    }

    #[test]
    fn very_many_failures_of_one_cause_are_a_warning_a_second() {
        let (digest, kind) = (Digest::default(), StoreErrorKind::Unready);
        let told: Vec<u64> = (0..10_000).filter_map(|ms| note(&digest, at(ms), "a", kind)).collect();
        assert_eq!(told.len(), 10);
        assert_eq!(told[..2], [1, 1000]);
        let rest: u64 = digest.overdue(at(11_000)).iter().map(|warning| warning.failures).sum();
        assert_eq!(told.iter().sum::<u64>() + rest, 10_000, "none is left untold");
    }

    #[test]
    fn what_was_held_back_is_told_within_a_second_and_names_the_first() {
        let (digest, kind) = (Digest::default(), StoreErrorKind::Unready);
        assert_eq!(digest.due(), Moment::MAX);
        for key in ["told", "first", "second"] {
            note(&digest, at(0), key, kind);
        }
        assert_eq!(digest.due(), at(1000));
        assert!(digest.overdue(at(999)).is_empty());
        let [warning] = &digest.overdue(at(1000))[..] else { panic!("one cause") };
        assert_eq!((warning.key.as_str(), warning.failures), ("first", 2));
        assert_eq!(digest.due(), Moment::MAX);
    }

    #[test]
    fn another_cause_is_told_at_once() {
        let digest = Digest::default();
        assert_eq!(note(&digest, at(0), "a", StoreErrorKind::Unready), Some(1));
        assert_eq!(note(&digest, at(0), "a", StoreErrorKind::Disconnected), Some(1));
        assert_eq!(note(&digest, at(0), "a", StoreErrorKind::Disconnected), None);
    }

    #[test]
    fn at_the_end_all_that_was_held_back_is_told() {
        let digest = Digest::default();
        for _ in 0..3 {
            note(&digest, at(0), "a", StoreErrorKind::Unready);
        }
        assert_eq!(digest.overdue(Moment::MAX).iter().map(|warning| warning.failures).sum::<u64>(), 2);
    }
}
