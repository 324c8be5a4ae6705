//! The holds of all processes, merged: who followed whom, and whether two held at once.
//!
//! What must stay true: nothing here believes a lock. A hold lasts from the first instruction after the acquire to the
//! last one before the release, so two holds that overlap are two holders, and a hold that begins later was granted
//! later. Pure; times come from `clock`, which is the same for all processes.

use std::ops::Range;

use crate::clock::Moment;

/// One of all waiters of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiter {
    pub(crate) process: usize,
    pub(crate) task: usize,
}

/// One hold of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) entered: Moment,
    pub(crate) left: Moment,
    pub(crate) owner: Waiter,
}

/// Two that held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    pub(crate) first: Hold,
    pub(crate) second: Hold,
}

/// All holds of a run, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(Vec<Hold>);

impl Holds {
    /// Merges the logs of all waiters.
    pub(crate) fn merged(mut holds: Vec<Hold>) -> Self {
        holds.sort_by_key(|hold| (hold.entered, hold.left));
        Self(holds)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn count_within(&self, window: &Range<Moment>) -> usize {
        self.0.iter().filter(|hold| window.contains(&hold.entered)).count()
    }

    /// The first two that held at once.
    pub(crate) fn overlap(&self) -> Option<Overlap> {
        let mut longest: Option<Hold> = None;
        for &second in &self.0 {
            match longest {
                Some(first) if first.left > second.entered => return Some(Overlap { first, second }),
                _ => longest = Some(second),
            }
        }
        None
    }

    /// Each hold that another owner's hold came before, with that one.
    pub(crate) fn handovers(&self) -> impl Iterator<Item = (Hold, Hold)> {
        let pairs = self.0.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.filter(|(before, after)| before.owner != after.owner)
    }

    pub(crate) fn handovers_within(&self, window: &Range<Moment>) -> usize {
        self.handovers().filter(|(_, after)| window.contains(&after.entered)).count()
    }

    /// How long each hand-over to another process took, from just before the release to the body's first instruction.
    pub(crate) fn latencies(&self) -> Vec<u64> {
        let away = self.handovers().filter(|(before, after)| before.owner.process != after.owner.process);
        away.map(|(before, after)| after.entered.saturating_sub(before.left)).collect()
    }

    /// The holds of the waiter with the fewest, as a share of those of the one with the most. `waiters` are all there
    /// are, since one that never had its turn is in no log.
    pub(crate) fn fairness(&self, waiters: &[Waiter], window: &Range<Moment>) -> Option<f64> {
        let of = |waiter: &Waiter| {
            let its = |hold: &&Hold| hold.owner == *waiter && window.contains(&hold.entered);
            self.0.iter().filter(its).count()
        };
        let counts: Vec<usize> = waiters.iter().map(of).collect();
        let (fewest, most) = (*counts.iter().min()?, *counts.iter().max()?);
        (most > 0).then(|| fewest as f64 / most as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(process: usize, task: usize, entered: Moment, left: Moment) -> Hold {
        Hold { entered, left, owner: Waiter { process, task } }
    }

    #[test]
    fn a_handover_needs_another_owner() {
        let logs = vec![hold(0, 0, 10, 20), hold(0, 0, 30, 40), hold(1, 0, 22, 28), hold(0, 0, 44, 50)];
        let holds = Holds::merged(logs);
        let entered: Vec<_> = holds.handovers().map(|(before, after)| (before.left, after.entered)).collect();
        assert_eq!(entered, [(20, 22), (28, 30)]);
        assert_eq!(holds.handovers_within(&(0..25)), 1);
        assert_eq!((holds.count(), holds.count_within(&(20..40))), (4, 2));
    }

    #[test]
    fn another_task_is_another_owner_but_no_other_process() {
        let holds = Holds::merged(vec![hold(0, 0, 1, 2), hold(0, 1, 5, 6), hold(1, 1, 9, 10)]);
        assert_eq!(holds.handovers().count(), 2);
        assert_eq!(holds.latencies(), [3]);
    }

    #[test]
    fn holds_that_touch_do_not_overlap() {
        assert_eq!(Holds::merged(vec![hold(0, 0, 10, 20), hold(1, 0, 20, 30)]).overlap(), None);
        assert_eq!(Holds::default().overlap(), None);
    }

    #[test]
    fn two_at_once_are_caught_in_any_order() {
        let (first, second) = (hold(0, 0, 10, 20), hold(1, 0, 19, 30));
        let found = Some(Overlap { first, second });
        assert_eq!(Holds::merged(vec![second, first]).overlap(), found);
        assert_eq!(Holds::merged(vec![first, hold(0, 1, 1, 2), second]).overlap(), found);
    }

    #[test]
    fn one_inside_another_is_caught() {
        let (outer, inner) = (hold(0, 0, 10, 100), hold(1, 0, 40, 50));
        assert_eq!(Holds::merged(vec![inner, outer]).overlap(), Some(Overlap { first: outer, second: inner }));
    }

    #[test]
    fn a_waiter_without_a_hold_is_the_one_with_the_fewest() {
        let all: Vec<Waiter> = (0..3).map(|task| Waiter { process: 0, task }).collect();
        let holds = Holds::merged(vec![hold(0, 0, 1, 2), hold(0, 1, 3, 4), hold(0, 0, 5, 6)]);
        assert_eq!(holds.fairness(&all[..2], &(0..9)), Some(0.5));
        assert_eq!(holds.fairness(&all, &(0..9)), Some(0.0));
        assert_eq!(holds.fairness(&all, &(100..200)), None);
    }
}
