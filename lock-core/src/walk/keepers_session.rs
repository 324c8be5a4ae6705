//! The keeper's session: that there is one, that one is being opened, or that it is too early to try again.

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

    /// The one that was open is so no more.
    pub fn is_gone<C>(&mut self, client: &mut impl CallTable<C>) {
        if self.open().is_some() {
            self.state = State::Closed { again_at: Moment::MIN };
            client.disconnected();
        }
    }

    /// Whether to open one now; it is being opened from then on.
    pub fn begin_to_open(&mut self, now: Moment) -> bool {
        let begins = matches!(self.state, State::Closed { again_at } if again_at <= now);
        if begins {
            self.state = State::Opening;
        }
        begins
    }

    /// What came of it: a session, and whether the store tells of grants over it. After a failure the next try comes
    /// after a pause, which differs from seed to seed.
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

    /// When the keeper has something to do, if the client has at `due`.
    pub fn wakes_at(&self, due: Moment) -> Moment {
        match self.state {
            State::Closed { again_at } => due.min(again_at),
            State::Open(_) | State::Opening => due,
        }
    }
}
