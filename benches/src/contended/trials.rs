//! What is run: which contestants, in which setting, for how long.

use std::fmt;
use std::time::Duration;

use crate::contestants::Contestant;
use crate::extent::Extent;
use crate::fleet::Workload;
use crate::kind::{Kind, Mix};
use crate::worker::Orders;

/// So many waiters for the last row, spread over up to four processes.
pub(crate) const CROWDS: [usize; 5] = [2, 8, 32, 128, 500];
const PROCESSES: usize = 4;
/// How long a body lasts whose successor's latency is measured.
const BODY: Duration = Duration::from_millis(200);

/// Who waits and what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setting {
    /// 4 processes × 4 waiters, nothing in the critical section.
    FourByFour,
    /// The same with 2 ms of sleep in it, which the runtime makes a little more.
    Working,
    /// 1 process × 16 waiters.
    OneProcess,
    /// 2 processes × 1 waiter; bodies of 200 ms, and 100 ms until the process asks again: long enough that a lock
    /// without a line cannot go back to the one that has just released it, and short enough to be in line in time.
    Apart,
    /// So many waiters, over 4 processes if there are enough.
    Crowd(usize),
    Control,
}

/// One run that is done in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trial {
    pub(crate) setting: Setting,
    pub(crate) contestant: Contestant,
    /// For its commands, and not for its times.
    pub(crate) watched: bool,
}

/// All trials of a round, in their order.
pub(crate) fn all() -> Vec<Trial> {
    use Contestant::{
        Blpop, LocalQueue, OursAsShipped, OursByServer, Rlock, RlockEveryMillisecond, Rslock, RslockEveryMillisecond,
    };
    use Setting::{Apart, Crowd, FourByFour, OneProcess, Working};
    let peers = [Rslock, RslockEveryMillisecond, Rlock, RlockEveryMillisecond];
    let mut trials: Vec<Trial> = [OursByServer, Blpop, OursAsShipped].map(|one| Trial::timed(FourByFour, one)).into();
    trials.extend(peers.map(|peer| Trial::timed(FourByFour, peer)));
    trials.extend([OursByServer, Blpop].map(|one| Trial::watched(FourByFour, one)));
    trials.extend([OursByServer, Blpop].map(|one| Trial::watched(Working, one)));
    trials.extend([OursAsShipped, LocalQueue].map(|one| Trial::timed(OneProcess, one)));
    trials.extend([OursAsShipped, LocalQueue].map(|one| Trial::watched(OneProcess, one)));
    trials.extend([OursAsShipped, Blpop].map(|one| Trial::timed(Apart, one)));
    trials.push(Trial::watched(Apart, OursAsShipped));
    trials.extend(CROWDS.map(|waiters| Trial::watched(Crowd(waiters), OursByServer)));
    trials
}

impl Setting {
    /// Processes, waiters in each, hold, pause.
    fn shape(self) -> (usize, usize, Duration, Duration) {
        let (none, ms) = (Duration::ZERO, Duration::from_millis);
        match self {
            Self::FourByFour => (PROCESSES, 4, none, none),
            Self::Working => (PROCESSES, 4, ms(2), none),
            Self::OneProcess => (1, 16, none, none),
            Self::Apart => (2, 1, BODY, BODY / 2),
            Self::Crowd(waiters) => (waiters.min(PROCESSES), waiters / waiters.min(PROCESSES), none, none),
            Self::Control => (2, 2, ms(1), none),
        }
    }

    fn lasts(self, watched: bool, extent: Extent) -> Duration {
        match (self, extent) {
            (Self::Apart, Extent::Full) => BODY * if watched { 10 } else { 25 },
            (Self::Apart, Extent::Short) => BODY * 3,
            (_, Extent::Full) => Duration::from_secs(1),
            (_, Extent::Short) => Duration::from_millis(100),
        }
    }
}

impl Trial {
    /// Waiters without a lock.
    pub(crate) const CONTROL: Self =
        Self { setting: Setting::Control, contestant: Contestant::Nothing, watched: false };

    pub(crate) fn timed(setting: Setting, contestant: Contestant) -> Self {
        Self { setting, contestant, watched: false }
    }

    pub(crate) fn watched(setting: Setting, contestant: Contestant) -> Self {
        Self { setting, contestant, watched: true }
    }

    pub(crate) fn workload(self, extent: Extent) -> Workload {
        let Self { setting, contestant, watched } = self;
        let (processes, waiters, hold, pause) = setting.shape();
        let orders = Orders { contestant, waiters, mix: Mix::All(Kind::Exclusive), hold, pause };
        Workload { processes, orders, lasts: setting.lasts(watched, extent), watched }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (processes, waiters, hold, _) = self.setting.shape();
        write!(f, "{processes} × {waiters}")?;
        if !hold.is_zero() {
            write!(f, ", held {hold:?}")?;
        }
        write!(f, ", {}", self.contestant.name())?;
        if self.watched { f.write_str(", watched") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_as_large_as_it_says() {
        for crowd in CROWDS {
            let workload = Trial::watched(Setting::Crowd(crowd), Contestant::OursByServer).workload(Extent::Full);
            assert_eq!(workload.processes * workload.orders.waiters, crowd);
            assert!((2..=PROCESSES).contains(&workload.processes));
        }
    }

    #[test]
    fn no_trial_is_run_twice_in_a_round() {
        let mut trials = all();
        trials.sort();
        trials.dedup();
        assert_eq!(trials.len(), all().len());
    }
}
