//! What is run: which entrants, in which setting, for how long.

use std::fmt;
use std::time::Duration;

use lock_tests::Server;

use crate::cycles::{Cycles, Flavor};
use crate::entrant::Entrant;
use crate::extent::Extent;

pub(super) const MANY: usize = 64;

/// Who runs how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    OneTask,
    /// With a spinner on each core.
    OneTaskSpun,
    /// So many tasks, each with its key.
    Many(Flavor),
}

/// One run that is done in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trial {
    pub(super) setting: Setting,
    pub(super) entrant: Entrant,
}

impl Setting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneTask => "1 task",
            Self::OneTaskSpun => "1 task, no core halts",
            Self::Many(Flavor::MultiThread) => "64 tasks, multi-thread",
            Self::Many(Flavor::CurrentThread) => "64 tasks, current-thread",
        }
    }

    pub(super) const ALL: [Self; 4] =
        [Self::OneTask, Self::OneTaskSpun, Self::Many(Flavor::MultiThread), Self::Many(Flavor::CurrentThread)];

    /// Other libraries that are run in it.
    pub(super) fn peers(self) -> &'static [Entrant] {
        match self {
            Self::OneTask | Self::OneTaskSpun => &Entrant::PEERS,
            Self::Many(_) => &Entrant::PEERS[..3],
        }
    }
}

/// All trials of a round, in their order.
pub(super) fn all() -> Vec<Trial> {
    let ours = [Entrant::Bare, Entrant::SameCommands, Entrant::Ours, Entrant::Attribute, Entrant::Memory];
    let of = |setting: Setting| {
        ours.into_iter().chain(setting.peers().iter().copied()).map(move |entrant| Trial { setting, entrant })
    };
    Setting::ALL.into_iter().flat_map(of).collect()
}

impl Trial {
    pub(super) fn job(self, extent: Extent, server: &Server) -> Cycles {
        let ms = Duration::from_millis;
        let (warm_up, lasts) = if extent == Extent::Full { (ms(50), ms(150)) } else { (ms(10), ms(20)) };
        let (tasks, flavor) = match self.setting {
            Setting::OneTask | Setting::OneTaskSpun => (1, Flavor::MultiThread),
            Setting::Many(flavor) => (MANY, flavor),
        };
        Cycles {
            entrant: self.entrant,
            server: format!("127.0.0.1:{}", server.port()),
            round_trip: Duration::ZERO,
            flavor,
            tasks,
            nodelay: false,
            warm_up,
            lasts,
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.setting.name(), self.entrant.name())
    }
}
