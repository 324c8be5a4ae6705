//! What is run: which contestants, how many waiters of which kinds, for how long.

use std::fmt;
use std::time::Duration;

use crate::contestants::Contestant;
use crate::extent::Extent;
use crate::fleet::Workload;
use crate::kind::{Kind, Mix};
use crate::worker::Orders;

const PROCESSES: usize = 4;
const BODY: Duration = Duration::from_millis(2);
/// How many waiters each process has: of those who read, of readers and writers, of those who want a permit.
pub(super) const READERS: usize = 16;
pub(super) const READERS_AND_WRITERS: usize = 4;
pub(super) const WAITERS: usize = 5;
/// How many permits there are.
pub(super) const PERMITS: usize = 5;

pub(super) const EXCLUSIVE: Mix = Mix::All(Kind::Exclusive);
pub(super) const SHARED: Mix = Mix::All(Kind::Shared);
pub(super) const NINE_TO_ONE: Mix = Mix::NineReadOneWrites;
pub(super) const OF_FIVE: Mix = Mix::All(Kind::Permit(PERMITS));

/// One run that is done in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trial {
    pub(super) waiters: usize,
    pub(super) mix: Mix,
    pub(super) contestant: Contestant,
    /// For its commands, and not for its times.
    pub(super) watched: bool,
}

/// All trials of a round, in their order.
pub(super) fn all() -> Vec<Trial> {
    use Contestant::{Nothing, OursAsShipped, RlockReadWrite, RlockReadWriteEveryMillisecond};
    let [readers, both, permits] = [READERS, READERS_AND_WRITERS, WAITERS];
    let timed = [
        (readers, SHARED, OursAsShipped),
        (readers, EXCLUSIVE, OursAsShipped),
        (readers, SHARED, Nothing),
        (readers, SHARED, RlockReadWrite),
        (both, NINE_TO_ONE, OursAsShipped),
        (both, EXCLUSIVE, OursAsShipped),
        (both, NINE_TO_ONE, RlockReadWrite),
        (both, NINE_TO_ONE, RlockReadWriteEveryMillisecond),
        (permits, OF_FIVE, OursAsShipped),
        (permits, EXCLUSIVE, OursAsShipped),
    ];
    let watched = [
        (readers, SHARED, OursAsShipped),
        (readers, SHARED, RlockReadWrite),
        (both, NINE_TO_ONE, OursAsShipped),
        (both, NINE_TO_ONE, RlockReadWrite),
        (permits, OF_FIVE, OursAsShipped),
        (permits, EXCLUSIVE, OursAsShipped),
    ];
    let of = |watched| move |(waiters, mix, contestant)| Trial { waiters, mix, contestant, watched };
    timed.map(of(false)).into_iter().chain(watched.map(of(true))).collect()
}

impl Trial {
    /// Waiters without a lock, who come in without room.
    pub(super) const CONTROLS: [Self; 2] = [
        Self { waiters: READERS_AND_WRITERS, mix: NINE_TO_ONE, contestant: Contestant::Nothing, watched: false },
        Self { waiters: WAITERS, mix: OF_FIVE, contestant: Contestant::Nothing, watched: false },
    ];

    pub(super) fn workload(self, extent: Extent) -> Workload {
        let Self { waiters, mix, contestant, watched } = self;
        let orders = Orders { contestant, waiters, mix, hold: BODY, pause: Duration::ZERO };
        let lasts = match (extent, mix) {
            (Extent::Short, _) => Duration::from_millis(100),
            // One wait in a hundred is to be one of several.
            (Extent::Full, Mix::NineReadOneWrites) => Duration::from_secs(3),
            (Extent::Full, Mix::All(_)) => Duration::from_secs(1),
        };
        Workload { processes: PROCESSES, orders, lasts, watched }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiters, mix, contestant, watched } = self;
        write!(f, "{PROCESSES} × {waiters}, {mix}, {}", contestant.name())?;
        if *watched { f.write_str(", watched") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_trial_is_run_twice_in_a_round() {
        let mut trials = all();
        trials.sort();
        trials.dedup();
        assert_eq!(trials.len(), all().len());
    }

    #[test]
    fn as_many_wait_as_are_told() {
        assert_eq!((PROCESSES * READERS, PROCESSES * READERS_AND_WRITERS, PROCESSES * WAITERS), (64, 16, 20));
    }
}
