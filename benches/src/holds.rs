//! The holds of all processes, merged: who followed whom, and whether two held at once that may not.
//!
//! What must stay true: nothing here believes a lock. A hold lasts from the first instruction after the acquire to the
//! last one before the release, so two holds that overlap are two holders, and an exclusive one that begins later was
//! granted later. Pure; times come from `clock`, which is the same for all processes.

use std::ops::Range;

use crate::clock::Moment;
use crate::kind::Kind;

/// One of all waiters of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiter {
    pub(crate) process: usize,
    pub(crate) task: usize,
}

/// One hold of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) kind: Kind,
    /// When its owner asked for it.
    pub(crate) asked: Moment,
    pub(crate) entered: Moment,
    pub(crate) left: Moment,
    pub(crate) owner: Waiter,
}

/// Two that held at once, and may not; the second found others there, of whom the first stayed longest.
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

    /// The first two that held at once although there was no room.
    pub(crate) fn overlap(&self) -> Option<Overlap> {
        let met = self.met(|second, inside| {
            let found_room = second.kind.has_room(inside.iter().map(|hold| hold.kind));
            let first = inside.iter().copied().max_by_key(|hold| hold.left)?;
            (!found_room).then_some(Overlap { first, second })
        });
        met.into_iter().flatten().next()
    }

    /// How many held at once at the most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.met(|_, inside| inside.len() + 1).into_iter().max().unwrap_or_default()
    }

    /// Something of each hold and of those that were inside when it began.
    fn met<T>(&self, of: impl Fn(Hold, &[Hold]) -> T) -> Vec<T> {
        let mut inside: Vec<Hold> = Vec::new();
        let met = self.0.iter().map(|&hold| {
            inside.retain(|other| other.left > hold.entered);
            let met = of(hold, &inside);
            inside.push(hold);
            met
        });
        met.collect()
    }

    /// How long each waited who asked for this kind meanwhile.
    pub(crate) fn waits(&self, kind: Kind, window: &Range<Moment>) -> Vec<u64> {
        let asked = self.0.iter().filter(|hold| hold.kind == kind && window.contains(&hold.asked));
        asked.map(|hold| hold.entered.saturating_sub(hold.asked)).collect()
    }

    /// The longest wait of all.
    pub(crate) fn longest_wait(&self) -> u64 {
        self.0.iter().map(|hold| hold.entered.saturating_sub(hold.asked)).max().unwrap_or_default()
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
        Hold { kind: Kind::Exclusive, asked: entered, entered, left, owner: Waiter { process, task } }
    }

    fn of_kind(kind: Kind, entered: Moment, left: Moment) -> Hold {
        Hold { kind, ..hold(0, 0, entered, left) }
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
    fn readers_hold_at_once_and_a_writer_among_them_is_caught() {
        let (first, second) = (of_kind(Kind::Shared, 10, 30), of_kind(Kind::Shared, 15, 20));
        let holds = |third| Holds::merged(vec![first, second, third]);
        let after = holds(of_kind(Kind::Exclusive, 30, 40));
        assert_eq!((after.overlap(), after.most_at_once()), (None, 2));
        let among = of_kind(Kind::Exclusive, 25, 40);
        assert_eq!(holds(among).overlap(), Some(Overlap { first, second: among }));
    }

    #[test]
    fn one_permit_too_many_is_caught() {
        let permit = |entered, left| of_kind(Kind::Permit(2), entered, left);
        let mut holds = vec![permit(10, 20), permit(12, 30), permit(20, 40)];
        assert_eq!(Holds::merged(holds.clone()).overlap(), None);
        assert_eq!(Holds::merged(holds.clone()).most_at_once(), 2);
        holds.push(permit(29, 31));
        let found = Holds::merged(holds).overlap();
        assert_eq!(found, Some(Overlap { first: permit(20, 40), second: permit(29, 31) }));
    }

    #[test]
    fn a_wait_lasts_from_the_question_to_the_first_instruction() {
        let read = Hold { asked: 5, ..of_kind(Kind::Shared, 40, 50) };
        let holds = Holds::merged(vec![Hold { asked: 3, ..hold(0, 0, 10, 20) }, Hold { asked: 8, ..read }]);
        assert_eq!((holds.waits(Kind::Exclusive, &(0..9)), holds.longest_wait()), (vec![7], 32));
        assert!(holds.waits(Kind::Shared, &(0..8)).is_empty());
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
