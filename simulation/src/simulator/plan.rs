//! The faults of one simulation: drawn from its seed before it begins, so that some can be left out while the rest
//! stays the same.

use std::fmt;
use std::time::Duration;

use super::random::Random;
use lock_core::store::StoreErrorKind;

/// How many processes there are.
pub(super) const PROCESSES: usize = 3;
/// How many keys.
pub(super) const KEYS: usize = 3;
/// Faults begin within this time, and end within twice this time.
const TROUBLED: u64 = 3_000;

/// One simulation: its seed, and those of the seed's faults that were not left out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of all randomness.
    pub seed: u64,
    /// What is promised under these faults.
    pub kind: Kind,
    /// In any order.
    pub faults: Vec<Fault>,
}

/// Which promises hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No faults but tasks that are not polled, so nothing is lost and waiters are served in order.
    Calm,
    /// The store keeps its promises: all of ours must hold.
    Whole,
    /// The store does not keep its promises: fences, deadlines and liveness still hold.
    Broken,
}

/// A fault, with its beginning and duration; counted from the beginning.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When it begins.
    pub from: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub trouble: Trouble,
}

/// One of a process's two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The keeper's.
    Keepers,
    /// That of the runtime that runs the tasks.
    Tasks,
}

impl Over {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Keepers => "the keeper's connection",
            Self::Tasks => "the tasks' connection",
        }
    }
}

/// The kind of a fault. Processes and keys are numbered.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// Transmissions over one connection are delayed by up to so long, either way, and others are not.
    Slow(usize, Over, Duration),
    /// Half of the requests are lost.
    LosesRequests(usize),
    /// Half of the replies are lost.
    LosesReplies(usize),
    /// Half of the grant messages are lost.
    LosesMessages(usize),
    /// Idempotent requests arrive twice, and the second reply counts.
    Repeats(usize),
    /// The store forgets half of the scripts, which have to be sent again.
    ForgetsScripts(usize),
    /// Half of the requests are answered with an error.
    AnswersErrors(usize, StoreErrorKind),
    /// A stranger sends a process forged grant messages, and repeats old ones.
    ForgesGrants(usize),
    /// A partition: nothing arrives, and half of what was sent arrives afterwards.
    Partition(usize),
    /// A connection is reset; another one can be opened afterwards.
    Reset(usize, Over),
    /// A connection is half open: nothing arrives, and neither end is told.
    HalfOpen(usize, Over),
    /// All connections that a process has are half open, and new ones work: a gateway forgot them.
    FallsSilent(usize),
    /// A process is stopped, in the middle of whatever it does.
    Freezes(usize),
    /// A process is killed, and restarts afterwards; the flag says whether the store notices.
    Crashes(usize, bool),
    /// A process shuts down in order, with this grace period, and restarts afterwards.
    ShutsDown(usize, Duration),
    /// A quarter of the tasks of a process that wait for a lock are not polled, as if held up by another part of
    /// themselves.
    Sleeps(usize),
    /// The runtime of a process stands still, with its tasks and its connection.
    StandsStill(usize),
    /// The clock of a process leaps ahead, as after a suspension.
    Leaps(usize, Duration),
    /// The store is stopped.
    StorePauses,
    /// The store restarts with its data.
    StoreRestarts,
    /// Another server takes over, with all data. Half of the connections end at once; the others stay with the old
    /// server, which is a replica: it takes no writes, and relays the new one's messages.
    SwitchesOver,
    /// The store restarts empty.
    StoreForgets,
    /// A copy of the store takes over that lacks the last writes.
    FailsOver(Duration),
    /// A key is deleted.
    DeletesKey(usize),
    /// A key is overwritten with another value for so long.
    Overwrites(usize, Duration),
    /// The store's clock is set forward.
    StepsClock(Duration),
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let kind = match seed % 8 {
            0 => Kind::Calm,
            1..=5 => Kind::Whole,
            _ => Kind::Broken,
        };
        let (whole, broken) = match kind {
            Kind::Calm => (0, 0),
            Kind::Whole => (1 + random.below(6), 0),
            Kind::Broken => (random.below(4), 1 + random.below(2)),
        };
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..whole {
            let trouble = whole_trouble(&mut random, &faults);
            faults.push(draw(&mut random, trouble));
        }
        for _ in 0..broken {
            let trouble = broken_trouble(&mut random);
            faults.push(draw(&mut random, trouble));
        }
        if kind != Kind::Broken && random.chance(40) {
            let trouble = unpolled(&mut random);
            faults.push(draw(&mut random, trouble));
        }
        Self { seed, kind, faults }
    }

    /// The same plan without one of its faults.
    #[must_use]
    pub fn without(&self, fault: usize) -> Self {
        let mut plan = self.clone();
        plan.faults.remove(fault);
        plan
    }
}

fn draw(random: &mut Random, trouble: Trouble) -> Fault {
    let lasts = match &trouble {
        // Until two operations have timed out.
        Trouble::HalfOpen(..) | Trouble::FallsSilent(_) => Duration::from_secs(3),
        Trouble::ShutsDown(_, grace) => *grace + random.between(2_100, 2_500),
        Trouble::Overwrites(_, lasts) => *lasts,
        Trouble::DeletesKey(_) | Trouble::Leaps(..) | Trouble::StepsClock(_) => Duration::ZERO,
        Trouble::Freezes(_) | Trouble::Partition(_) => random.between(20, 2_500),
        // Most of them for longer than a task may take to look at a grant.
        Trouble::Sleeps(_) => random.between(500, 10_000),
        // Less than two operations may take: what a runtime sends later than the repeated releases is left to its ttl.
        Trouble::StandsStill(_) => random.between(20, 1_900),
        _ => random.between(20, 1_200),
    };
    Fault { from: random.between(100, TROUBLED), lasts, trouble }
}

fn whole_trouble(random: &mut Random, before: &[Fault]) -> Trouble {
    let process = random.index(PROCESSES);
    let over = if random.chance(50) { Over::Keepers } else { Over::Tasks };
    match random.below(20) {
        // Less than the operation time-out: a request that is later than the repeated releases is left to its ttl.
        0 | 1 => Trouble::Slow(process, over, random.between(5, 900)),
        2 => Trouble::LosesRequests(process),
        3 => Trouble::LosesReplies(process),
        4 => Trouble::LosesMessages(process),
        5 => Trouble::Repeats(process),
        6 => Trouble::Partition(process),
        7 => Trouble::Reset(process, over),
        8 => Trouble::HalfOpen(process, over),
        9 => Trouble::Freezes(process),
        10 => {
            // A waiter that died unnoticed costs the others one first lease; two would cost them two.
            let unnoticed = before.iter().any(|fault| matches!(fault.trouble, Trouble::Crashes(_, false)));
            Trouble::Crashes(process, unnoticed || random.chance(70))
        }
        11 => Trouble::ShutsDown(process, random.between(0, 300)),
        12 => Trouble::Leaps(process, random.between(1, 5_000)),
        13 => Trouble::StorePauses,
        14 => Trouble::StoreRestarts,
        15 => Trouble::ForgetsScripts(process),
        16 => {
            let kinds = [StoreErrorKind::Disconnected, StoreErrorKind::Unready, StoreErrorKind::Refused];
            Trouble::AnswersErrors(process, kinds[random.index(kinds.len())])
        }
        17 => Trouble::ForgesGrants(process),
        18 => Trouble::FallsSilent(process),
        _ => Trouble::SwitchesOver,
    }
}

/// Tasks that are not polled for a while.
fn unpolled(random: &mut Random) -> Trouble {
    let process = random.index(PROCESSES);
    if random.chance(60) { Trouble::Sleeps(process) } else { Trouble::StandsStill(process) }
}

fn broken_trouble(random: &mut Random) -> Trouble {
    let key = random.index(KEYS);
    match random.below(5) {
        0 => Trouble::StoreForgets,
        1 => Trouble::FailsOver(random.between(1, 500)),
        2 => Trouble::DeletesKey(key),
        3 => Trouble::Overwrites(key, random.between(10, 2_000)),
        _ => Trouble::StepsClock(random.between(1, 5_000)),
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(_, over, by) => write!(f, "{} takes up to {} ms longer", over.name(), by.as_millis()),
            Self::LosesRequests(_) => f.write_str("half of the requests are lost"),
            Self::LosesReplies(_) => f.write_str("half of the replies are lost"),
            Self::LosesMessages(_) => f.write_str("half of the messages are lost"),
            Self::Repeats(_) => f.write_str("requests arrive twice"),
            Self::ForgetsScripts(_) => f.write_str("half of the scripts have to be sent again"),
            Self::AnswersErrors(_, kind) => write!(f, "half of the requests are answered by {kind:?}"),
            Self::ForgesGrants(_) => f.write_str("a stranger forges grant messages"),
            Self::SwitchesOver => f.write_str("another server takes its place"),
            Self::Partition(_) => f.write_str("cut off from the store"),
            Self::Reset(_, over) => write!(f, "{} is reset", over.name()),
            Self::HalfOpen(_, over) => write!(f, "{} is dead, and nobody is told", over.name()),
            Self::FallsSilent(_) => f.write_str("its connections are dead, and nobody is told"),
            Self::Freezes(_) | Self::StorePauses => f.write_str("stopped"),
            Self::Crashes(_, true) => f.write_str("killed"),
            Self::Crashes(_, false) => f.write_str("killed, and the store does not notice"),
            Self::ShutsDown(_, grace) => write!(f, "shuts down, {} ms of grace", grace.as_millis()),
            Self::Sleeps(_) => f.write_str("a quarter of its waiting tasks are not polled"),
            Self::StandsStill(_) => f.write_str("its runtime stands still"),
            Self::Leaps(_, by) => write!(f, "its clock leaps ahead by {} ms", by.as_millis()),
            Self::StoreRestarts => f.write_str("restarts with its data"),
            Self::StoreForgets => f.write_str("restarts empty"),
            Self::FailsOver(by) => write!(f, "fails over, the last {} ms are forgotten", by.as_millis()),
            Self::DeletesKey(key) => write!(f, "job:{key} is deleted"),
            Self::Overwrites(key, _) => write!(f, "job:{key} is overwritten"),
            Self::StepsClock(by) => write!(f, "its clock is set forward by {} ms", by.as_millis()),
        }
    }
}

impl Trouble {
    /// Whether all that happens is that tasks are not polled.
    pub(super) fn is_unpolled(&self) -> bool {
        matches!(self, Self::Sleeps(_) | Self::StandsStill(_))
    }

    /// The affected process; none if it is the store.
    pub fn process(&self) -> Option<usize> {
        match self {
            Self::Slow(process, ..)
            | Self::LosesRequests(process)
            | Self::LosesReplies(process)
            | Self::LosesMessages(process)
            | Self::Repeats(process)
            | Self::ForgetsScripts(process)
            | Self::AnswersErrors(process, _)
            | Self::ForgesGrants(process)
            | Self::Partition(process)
            | Self::Reset(process, _)
            | Self::HalfOpen(process, _)
            | Self::FallsSilent(process)
            | Self::Freezes(process)
            | Self::Crashes(process, _)
            | Self::ShutsDown(process, _)
            | Self::Sleeps(process)
            | Self::StandsStill(process)
            | Self::Leaps(process, _) => Some(*process),
            _ => None,
        }
    }
}
