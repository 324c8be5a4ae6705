//! How far a call without a grant is.

use super::names::CallNames;
use crate::store::Moment;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// It is in the local queue.
    InLocalQueue,
    /// Its task may ask; from `keeper_from` on the keeper does.
    MayAsk { keeper_from: Moment },
    Asking {
        sent: Moment,
        fails_at: Moment,
        /// Its own task sent the request; else the keeper did, or the rotation of the holder before it.
        by_task: bool,
        /// How many fences it asks for.
        fences: u32,
    },
    /// Until the next look, after an answer that the key is held, or after an error.
    Resting { until: Moment, found_held: bool },
    /// A look is due, and the client's rate limit defers it. The last answer was that the key is held.
    Deferred,
    /// It waits until the keeper has a session.
    Parked,
}

impl Phase {
    pub(super) fn show_names(&mut self, names: &mut impl CallNames) {
        match self {
            Self::InLocalQueue | Self::Deferred | Self::Parked => {}
            Self::MayAsk { keeper_from: moment } | Self::Resting { until: moment, .. } => names.moment(moment),
            Self::Asking { sent, fails_at, .. } => {
                names.moment(sent);
                names.moment(fails_at);
            }
        }
    }
}
