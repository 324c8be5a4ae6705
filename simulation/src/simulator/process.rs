//! One process of a simulation: a client's state, a clock of its own, two connections.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use lock_core::Moment;
use lock_core::client::ClientState;
use lock_core::key::{SessionId, Settings};
use lock_core::store::model::Model;
use lock_core::store::{Grant, ListenerId, StoreErrorKind, Token};
use lock_core::walk::KeepersSession;

use super::caller::Caller;
use super::packet::Packet;
use super::plan::Over;
use super::tokens;

/// How long an operation may stay without an answer.
pub(super) const OPERATION: Duration = Duration::from_secs(1);

/// One connection to the store.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// None while it is closed.
    pub(super) session: Option<SessionId>,
    /// Whether the store sends grant messages over it.
    pub(super) has_push: bool,
    /// Half open: nothing gets through any more.
    pub(super) dead: bool,
    /// Until when it is slower, and by how much at most.
    pub(super) slow: Option<(Moment, Duration)>,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) number: usize,
    /// How often it was started.
    pub(super) era: u64,
    pub(super) client: ClientState<Rc<Caller>>,
    pub(super) keeper: KeepersSession,
    pub(super) connections: [Connection; 2],
    sessions: u64,
    tokens: u128,
    /// Tokens up to this one are of earlier eras.
    forgotten: u128,
    /// Tokens up to this one were made before its clock leapt, so that it believes their ttls to be over too early.
    outdated: u128,
    /// What the keeper has sent and awaits an answer for.
    pub(super) pending: BTreeMap<u64, Packet>,
    pub(super) keeper_wakes_at: Moment,
    /// False between a crash and the next start.
    pub(super) is_running: bool,
    /// Its clock: by how many millionths it is faster, and how far it has leapt ahead.
    faster: i64,
    pub(super) leapt: Duration,
    pub(super) leapt_at: Moment,
    pub(super) loses_requests_until: Moment,
    pub(super) loses_replies_until: Moment,
    pub(super) loses_messages_until: Moment,
    pub(super) repeats_until: Moment,
    pub(super) forgets_scripts_until: Moment,
    /// Until when half of the requests are answered with this error.
    pub(super) answers_errors: Option<(Moment, StoreErrorKind)>,
    /// The last grant message that it received.
    pub(super) last_grant: Option<Grant>,
    /// Until when each of its connections cannot be opened.
    pub(super) cut_until: [Moment; 2],
    pub(super) partitioned_until: Moment,
    pub(super) frozen_until: Moment,
    /// Until when a quarter of its waiting tasks are not polled.
    pub(super) sleeps_until: Moment,
    /// Until when its runtime stands still.
    pub(super) still_until: Moment,
}

/// Where all clocks begin.
pub(super) const START: Moment = Moment::from_nanos(1_000_000_000_000_000);

impl Process {
    pub(super) fn new(number: usize, faster: i64) -> Self {
        let mut process = Self {
            number,
            era: 0,
            client: client(number, 0),
            keeper: KeepersSession::default(),
            connections: Default::default(),
            sessions: 0,
            tokens: 0,
            forgotten: 0,
            outdated: 0,
            pending: BTreeMap::new(),
            keeper_wakes_at: Moment::MAX,
            is_running: true,
            faster,
            leapt: Duration::ZERO,
            leapt_at: Moment::MIN,
            loses_requests_until: Moment::MIN,
            loses_replies_until: Moment::MIN,
            loses_messages_until: Moment::MIN,
            repeats_until: Moment::MIN,
            forgets_scripts_until: Moment::MIN,
            answers_errors: None,
            last_grant: None,
            cut_until: [Moment::MIN; 2],
            partitioned_until: Moment::MIN,
            frozen_until: Moment::MIN,
            sleeps_until: Moment::MIN,
            still_until: Moment::MIN,
        };
        process.start();
        process
    }

    /// Starts with an empty state.
    pub(super) fn start(&mut self) {
        self.era += 1;
        self.forgotten = self.tokens;
        self.client = client(self.number, self.era);
        self.keeper = KeepersSession::default();
        self.pending.clear();
        self.last_grant = None;
        self.keeper_wakes_at = Moment::MAX;
        self.is_running = true;
    }

    /// Its clock at this moment.
    pub(super) fn clock(&self, now: Moment) -> Moment {
        let million = 1_000_000 + i128::from(self.faster);
        START + scaled(now.since(START), million, 1_000_000) + self.leapt
    }

    /// When its clock will show this, or a little later.
    pub(super) fn when(&self, local: Moment) -> Moment {
        let million = 1_000_000 + i128::from(self.faster);
        START + scaled(local.since(START + self.leapt), 1_000_000, million) + Duration::from_nanos(2)
    }

    pub(super) fn connection(&mut self, over: Over) -> &mut Connection {
        &mut self.connections[over as usize]
    }

    /// Which of its connections has this session, if one does.
    pub(super) fn connection_of(&self, session: SessionId) -> Option<Over> {
        [Over::Keepers, Over::Tasks].into_iter().find(|over| self.connections[*over as usize].session == Some(session))
    }

    pub(super) fn next_session(&mut self) -> SessionId {
        self.sessions += 1;
        SessionId(self.sessions)
    }

    pub(super) fn new_token(&mut self) -> Token {
        self.tokens += 1;
        tokens::token(self.number, self.tokens)
    }

    /// Its clock leaps ahead.
    pub(super) fn leaps(&mut self, now: Moment, by: Duration) {
        self.leapt_at = now;
        self.leapt += by;
        self.outdated = self.tokens;
    }

    /// Whether it made this token in an earlier era.
    pub(super) fn has_forgotten(&self, token: Token) -> bool {
        tokens::number(token) <= self.forgotten
    }

    /// Whether this token may be left to a ttl that is not over yet.
    pub(super) fn may_leave(&self, token: Token) -> bool {
        tokens::number(token) <= self.forgotten.max(self.outdated)
    }

    /// Its listener over a session.
    pub(super) fn listener(&self, over: Over, session: SessionId) -> ListenerId {
        let base = listener(self.number, self.era).bits();
        ListenerId::from_bits(if over == Over::Keepers { base } else { base + u128::from(session.0) })
    }
}

fn scaled(duration: Duration, times: i128, by: i128) -> Duration {
    let nanos = i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX) * times / by;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn client(number: usize, era: u64) -> ClientState<Rc<Caller>> {
    // Every hand-over of one process goes through the store.
    let (listener, local_handover) = (listener(number, era), number != 2);
    ClientState::new(Settings {
        operation_timeout: OPERATION,
        listener,
        local_handover,
        capabilities: Model::CAPABILITIES,
    })
}

fn listener(number: usize, era: u64) -> ListenerId {
    ListenerId::from_bits((number as u128) << 100 | u128::from(era) << 64)
}
