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
use super::mail::Mail;
use super::plan::Over;
use super::tokens;

/// How long an operation may stay without an answer.
pub(super) const OPERATION: Duration = Duration::from_secs(1);

/// One connection to the store.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// None while it is closed.
    pub(super) session: Option<SessionId>,
    /// Whether the store tells of grants over it.
    pub(super) told: bool,
    /// Nothing gets through any more.
    pub(super) dead: bool,
    pub(super) time_outs: u32,
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
    pub(super) wires: [Wire; 2],
    sessions: u64,
    tokens: u128,
    /// Tokens up to this one are of earlier eras.
    forgotten: u128,
    /// Tokens up to this one were made before its clock leapt, so that their ttls seem over to it before they are.
    outdated: u128,
    /// What the keeper has sent and has yet to be answered.
    pub(super) pending: BTreeMap<u64, Mail>,
    pub(super) works_at: Moment,
    /// Between a crash and the next start it is not there.
    pub(super) is_there: bool,
    /// Its clock: by how many millionths it is faster, and how much it has leapt ahead.
    faster: i64,
    pub(super) leapt: Duration,
    pub(super) loses_requests_until: Moment,
    pub(super) loses_replies_until: Moment,
    pub(super) loses_messages_until: Moment,
    pub(super) repeats_until: Moment,
    pub(super) bounces_until: Moment,
    /// Until when half of the requests are answered by an error, and by which.
    pub(super) errs: Option<(Moment, StoreErrorKind)>,
    /// The grant that it heard of last.
    pub(super) heard: Option<Grant>,
    /// Until when each of its connections cannot be opened.
    pub(super) cut_until: [Moment; 2],
    pub(super) dark_until: Moment,
    pub(super) frozen_until: Moment,
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
            wires: Default::default(),
            sessions: 0,
            tokens: 0,
            forgotten: 0,
            outdated: 0,
            pending: BTreeMap::new(),
            works_at: Moment::MAX,
            is_there: true,
            faster,
            leapt: Duration::ZERO,
            loses_requests_until: Moment::MIN,
            loses_replies_until: Moment::MIN,
            loses_messages_until: Moment::MIN,
            repeats_until: Moment::MIN,
            bounces_until: Moment::MIN,
            errs: None,
            heard: None,
            cut_until: [Moment::MIN; 2],
            dark_until: Moment::MIN,
            frozen_until: Moment::MIN,
        };
        process.start();
        process
    }

    /// Starts anew, with nothing of what was.
    pub(super) fn start(&mut self) {
        self.era += 1;
        self.forgotten = self.tokens;
        self.client = client(self.number, self.era);
        self.keeper = KeepersSession::default();
        self.pending.clear();
        self.heard = None;
        self.works_at = Moment::MAX;
        self.is_there = true;
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

    pub(super) fn wire(&mut self, over: Over) -> &mut Wire {
        &mut self.wires[over as usize]
    }

    /// Which of its connections this is, if it is one still.
    pub(super) fn wire_of(&self, session: SessionId) -> Option<Over> {
        [Over::Keepers, Over::Tasks].into_iter().find(|over| self.wires[*over as usize].session == Some(session))
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
    pub(super) fn leaps(&mut self, by: Duration) {
        self.leapt += by;
        self.outdated = self.tokens;
    }

    /// Whether it made this token in an earlier era.
    pub(super) fn has_forgotten(&self, token: Token) -> bool {
        tokens::number(token) <= self.forgotten
    }

    /// Whether it may have left this token to a ttl that is not over yet.
    pub(super) fn may_leave(&self, token: Token) -> bool {
        tokens::number(token) <= self.forgotten.max(self.outdated)
    }

    /// Under which name it hears over a session.
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
    // One of the processes asks the store each time.
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
