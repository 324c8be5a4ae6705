//! What is run: which entrants, with one task or many, with and without `TCP_NODELAY`.

use std::fmt;
use std::time::Duration;

use lock_tests::Server;

use crate::cycles::{Cycles, Flavor};
use crate::entrant::Entrant;
use crate::extent::Extent;

pub(super) const ROUND_TRIP: Duration = Duration::from_millis(1);
const MANY: usize = 64;

/// One run that is done in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trial {
    pub(super) entrant: Entrant,
    pub(super) tasks: usize,
    pub(super) nodelay: bool,
}

/// All trials of a round, in their order.
pub(super) fn all() -> Vec<Trial> {
    let mut trials: Vec<Trial> = [Entrant::Bare, Entrant::SameCommands, Entrant::Ours].map(Trial::one).into();
    trials.push(Trial { nodelay: true, ..Trial::one(Entrant::Ours) });
    for nodelay in [false, true] {
        trials.extend([Entrant::SameCommands, Entrant::Ours].map(|entrant| Trial::many(entrant, nodelay)));
    }
    trials
}

impl Trial {
    pub(super) fn one(entrant: Entrant) -> Self {
        Self { entrant, tasks: 1, nodelay: false }
    }

    pub(super) fn many(entrant: Entrant, nodelay: bool) -> Self {
        Self { entrant, tasks: MANY, nodelay }
    }

    pub(super) fn job(self, extent: Extent, server: &Server) -> Cycles {
        let ms = Duration::from_millis;
        let (warm_up, lasts) = if extent == Extent::Full { (ms(100), ms(700)) } else { (ms(10), ms(20)) };
        let (entrant, tasks, nodelay) = (self.entrant, self.tasks, self.nodelay);
        let server = format!("127.0.0.1:{}", server.port());
        Cycles { entrant, server, round_trip: ROUND_TRIP, flavor: Flavor::MultiThread, tasks, nodelay, warm_up, lasts }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodelay = if self.nodelay { ", TCP_NODELAY" } else { "" };
        write!(f, "{} tasks, {}{nodelay}", self.tasks, self.entrant.name())
    }
}
