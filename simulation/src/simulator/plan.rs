//! What will go wrong in one simulation: drawn from its seed before it begins, so that faults can be left out one by
//! one and the rest stays as it was.

use std::fmt;
use std::time::Duration;

use super::random::Random;
use lock_core::store::StoreErrorKind;

/// How many processes there are.
pub(super) const PROCESSES: usize = 3;
/// How many keys.
pub(super) const KEYS: usize = 3;
/// Faults begin within this time, and end within twice of it.
const TROUBLED: u64 = 3_000;

/// One simulation: its seed, and the faults that are left of those that the seed says.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// What is promised under these faults.
    pub kind: Kind,
    /// In no order.
    pub faults: Vec<Fault>,
}

/// Which promises hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing goes wrong, so nothing is lost and turns are taken in order.
    Calm,
    /// The store keeps its word: nothing may ever go wrong.
    Whole,
    /// The store does not: fences, deadlines and liveness still hold.
    Broken,
}

/// Something that goes wrong, from when and for how long; counted from the beginning.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When it begins.
    pub from: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub trouble: Trouble,
}

/// Over which of a process's two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The keeper's.
    Keepers,
    /// That of the runtime on which the tasks run.
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

/// What goes wrong. Processes and keys are numbered.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// What is sent over a connection takes up to so long, either way, while other connections are as fast as ever.
    Slow(usize, Over, Duration),
    /// Half of the requests are swallowed.
    LosesRequests(usize),
    /// Half of the replies are swallowed.
    LosesReplies(usize),
    /// Half of the messages that tell of grants are lost.
    LosesMessages(usize),
    /// Requests that can be repeated arrive twice, and the second reply is the one that counts.
    Repeats(usize),
    /// Half of the scripts have to be sent once more, as the store forgot them.
    Bounces(usize),
    /// Half of the requests are answered with an error.
    Errs(usize, StoreErrorKind),
    /// A stranger tells a process of grants that never were, and of old ones once more.
    Forges(usize),
    /// A partition: nothing arrives, and half of what was sent arrives when it is over.
    Dark(usize),
    /// A connection is reset; another one can be opened when the fault is over.
    Cut(usize, Over),
    /// A connection is dead, and nobody is told.
    HalfOpen(usize, Over),
    /// A process is stopped, in the middle of whatever it does.
    Freezes(usize),
    /// A process is killed, and starts anew when the fault is over. Whether the store is told.
    Crashes(usize, bool),
    /// A process shuts down in an orderly way, with so much grace, and starts anew when the fault is over.
    ShutsDown(usize, Duration),
    /// The clock of a process leaps ahead, as after a sleep.
    Leaps(usize, Duration),
    /// The store is stopped.
    StorePauses,
    /// The store restarts with its data.
    StoreRestarts,
    /// Another server takes the store's place, with all its data. Half of the connections end at once; the others stay
    /// with the old one, which takes no writes and hears what it is told by the new one.
    SwitchesOver,
    /// The store restarts empty.
    StoreForgets,
    /// A copy of the store that lacks the last writes takes its place.
    FailsOver(Duration),
    /// Somebody deletes a key.
    Strikes(usize),
    /// Somebody else's value is in a key for so long.
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
        Self { seed, kind, faults }
    }

    /// The same without one of its faults.
    #[must_use]
    pub fn without(&self, fault: usize) -> Self {
        let mut plan = self.clone();
        plan.faults.remove(fault);
        plan
    }
}

fn draw(random: &mut Random, trouble: Trouble) -> Fault {
    let lasts = match &trouble {
        // Until two operations had no answer.
        Trouble::HalfOpen(..) => Duration::from_secs(3),
        Trouble::ShutsDown(_, grace) => *grace + random.between(2_100, 2_500),
        Trouble::Overwrites(_, lasts) => *lasts,
        Trouble::Strikes(_) | Trouble::Leaps(..) | Trouble::StepsClock(_) => Duration::ZERO,
        Trouble::Freezes(_) | Trouble::Dark(_) => random.between(20, 2_500),
        _ => random.between(20, 1_200),
    };
    Fault { from: random.between(100, TROUBLED), lasts, trouble }
}

fn whole_trouble(random: &mut Random, before: &[Fault]) -> Trouble {
    let process = random.index(PROCESSES);
    let over = if random.chance(50) { Over::Keepers } else { Over::Tasks };
    match random.below(19) {
        // Less than the operation time-out: what is later than a release is repeated for is left to its ttl.
        0 | 1 => Trouble::Slow(process, over, random.between(5, 900)),
        2 => Trouble::LosesRequests(process),
        3 => Trouble::LosesReplies(process),
        4 => Trouble::LosesMessages(process),
        5 => Trouble::Repeats(process),
        6 => Trouble::Dark(process),
        7 => Trouble::Cut(process, over),
        8 => Trouble::HalfOpen(process, over),
        9 => Trouble::Freezes(process),
        10 => {
            // One that the store does not notice costs the others a first lease; two would cost them two.
            let unnoticed = before.iter().any(|fault| matches!(fault.trouble, Trouble::Crashes(_, false)));
            Trouble::Crashes(process, unnoticed || random.chance(70))
        }
        11 => Trouble::ShutsDown(process, random.between(0, 300)),
        12 => Trouble::Leaps(process, random.between(1, 5_000)),
        13 => Trouble::StorePauses,
        14 => Trouble::StoreRestarts,
        15 => Trouble::Bounces(process),
        16 => {
            let kinds = [StoreErrorKind::Disconnected, StoreErrorKind::Unready, StoreErrorKind::Refused];
            Trouble::Errs(process, kinds[random.index(kinds.len())])
        }
        17 => Trouble::Forges(process),
        _ => Trouble::SwitchesOver,
    }
}

fn broken_trouble(random: &mut Random) -> Trouble {
    let key = random.index(KEYS);
    match random.below(5) {
        0 => Trouble::StoreForgets,
        1 => Trouble::FailsOver(random.between(1, 500)),
        2 => Trouble::Strikes(key),
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
            Self::Bounces(_) => f.write_str("half of the scripts have to be sent again"),
            Self::Errs(_, kind) => write!(f, "half of the requests are answered by {kind:?}"),
            Self::Forges(_) => f.write_str("a stranger tells it of grants"),
            Self::SwitchesOver => f.write_str("another server takes its place"),
            Self::Dark(_) => f.write_str("cut off from the store"),
            Self::Cut(_, over) => write!(f, "{} is reset", over.name()),
            Self::HalfOpen(_, over) => write!(f, "{} is dead, and nobody is told", over.name()),
            Self::Freezes(_) | Self::StorePauses => f.write_str("stopped"),
            Self::Crashes(_, true) => f.write_str("killed"),
            Self::Crashes(_, false) => f.write_str("killed, and the store does not notice"),
            Self::ShutsDown(_, grace) => write!(f, "shuts down, {} ms of grace", grace.as_millis()),
            Self::Leaps(_, by) => write!(f, "its clock leaps ahead by {} ms", by.as_millis()),
            Self::StoreRestarts => f.write_str("restarts with its data"),
            Self::StoreForgets => f.write_str("restarts empty"),
            Self::FailsOver(by) => write!(f, "fails over, the last {} ms are forgotten", by.as_millis()),
            Self::Strikes(key) => write!(f, "job:{key} is deleted"),
            Self::Overwrites(key, _) => write!(f, "job:{key} is overwritten"),
            Self::StepsClock(by) => write!(f, "its clock is set forward by {} ms", by.as_millis()),
        }
    }
}

impl Trouble {
    /// The process that it befalls; none if it is the store.
    pub fn process(&self) -> Option<usize> {
        match self {
            Self::Slow(process, ..)
            | Self::LosesRequests(process)
            | Self::LosesReplies(process)
            | Self::LosesMessages(process)
            | Self::Repeats(process)
            | Self::Bounces(process)
            | Self::Errs(process, _)
            | Self::Forges(process)
            | Self::Dark(process)
            | Self::Cut(process, _)
            | Self::HalfOpen(process, _)
            | Self::Freezes(process)
            | Self::Crashes(process, _)
            | Self::ShutsDown(process, _)
            | Self::Leaps(process, _) => Some(*process),
            _ => None,
        }
    }
}
