//! The keeper's session: open, being opened, or closed until the next attempt.

use super::call_table::CallTable;
use crate::key::SessionId;
use crate::lease::Backoff;
use crate::store::{Moment, StoreError};

/// See the module.
#[derive(Debug)]
pub struct KeepersSession {
    state: State,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open(SessionId),
    Opening,
    Closed { again_at: Moment },
}

impl Default for KeepersSession {
    fn default() -> Self {
        Self { state: State::Closed { again_at: Moment::MIN }, failures: 0 }
    }
}

impl KeepersSession {
    pub fn open(&self) -> Option<SessionId> {
        match self.state {
            State::Open(session) => Some(session),
            _ => None,
        }
    }

    /// The session has closed.
    pub fn is_gone<C>(&mut self, client: &mut impl CallTable<C>) {
        if self.open().is_some() {
            self.state = State::Closed { again_at: Moment::MIN };
            client.disconnected();
        }
    }

    /// Whether to open a session now; if so, it counts as being opened.
    pub fn begin_to_open(&mut self, now: Moment) -> bool {
        let begins = matches!(self.state, State::Closed { again_at } if again_at <= now);
        if begins {
            self.state = State::Opening;
        }
        begins
    }

    /// The outcome of an attempt to open: a session, and whether the store sends grant messages over it; or an error,
    /// with a pause before the next attempt, jittered by the seed.
    pub fn opened<C>(
        &mut self,
        client: &mut impl CallTable<C>,
        now: Moment,
        opened: Result<(SessionId, bool), StoreError>,
        seed: u64,
    ) {
        match opened {
            Ok((session, listening)) => {
                (self.state, self.failures) = (State::Open(session), 0);
                client.connected(now, session, listening);
            }
            Err(error) => {
                let pause = Backoff::OF_OPERATIONS.pause(seed, self.failures);
                self.state = State::Closed { again_at: now + pause };
                self.failures += 1;
                client.out_of_reach(error);
            }
        }
    }

    /// When the keeper has something to do, given when the client has.
    pub fn wakes_at(&self, due: Moment) -> Moment {
        match self.state {
            State::Closed { again_at } => due.min(again_at),
            State::Open(_) | State::Opening => due,
        }
    }
}
