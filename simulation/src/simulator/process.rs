//! One process of a simulation: a core, a clock of its own, two connections, and the tasks that run there.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::network::Mail;
use super::node::{Reply, Request};
use super::plan::Over;
use lock_core::LockKey;
use lock_core::Moment;
use lock_core::client::{CallId, ClientState};
use lock_core::key::{Number, SessionId, Settings};
use lock_core::lease::{Terms, Validity};
use lock_core::store::model::Model;
use lock_core::store::{Grant, ListenerId, StoreError, StoreErrorKind, Token};

/// How long an operation may stay without an answer.
pub(super) const OPERATION: Duration = Duration::from_secs(1);

/// Who made a token.
pub(super) fn owner(token: Token) -> usize {
    usize::try_from(token.bits() >> 100).unwrap_or(usize::MAX)
}

/// A token, as a history speaks of it.
pub(super) fn name(token: Token) -> String {
    format!("token {}.{}.{}", owner(token), (token.bits() >> 40) & 0xfff_ffff, token.bits() & 0xff)
}

/// One task, and until when its body may step, as a core speaks of them.
#[derive(Debug)]
pub(super) struct Chair {
    /// None if it is that of whoever shuts the process down.
    pub(super) task: Option<usize>,
    pub(super) validity: Validity,
}

/// One connection to the store.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// None while it is closed.
    pub(super) line: Option<SessionId>,
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
    pub(super) core: ClientState<Rc<Chair>>,
    pub(super) wires: [Wire; 2],
    lines: u64,
    tokens: u128,
    /// Tokens up to this one are of earlier eras.
    forgotten: u128,
    /// Tokens up to this one were made before its clock leapt, so that their ttls seem over to it before they are.
    outdated: u128,
    /// What the keeper has sent and not yet told the answer of.
    pub(super) errands: BTreeMap<u64, Mail>,
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
            core: core(number, 0),
            wires: Default::default(),
            lines: 0,
            tokens: 0,
            forgotten: 0,
            outdated: 0,
            errands: BTreeMap::new(),
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
        self.core = core(self.number, self.era);
        self.errands.clear();
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
    pub(super) fn wire_of(&self, line: SessionId) -> Option<Over> {
        [Over::Keepers, Over::Tasks].into_iter().find(|over| self.wires[*over as usize].line == Some(line))
    }

    pub(super) fn next_line(&mut self) -> SessionId {
        self.lines += 1;
        SessionId(self.lines)
    }

    pub(super) fn new_token(&mut self) -> Token {
        self.tokens += 1;
        Token::from_bits((self.number as u128) << 100 | self.tokens << 40)
    }

    /// Its clock leaps ahead.
    pub(super) fn leaps(&mut self, by: Duration) {
        self.leapt += by;
        self.outdated = self.tokens;
    }

    /// Whether it made this token in an earlier era.
    pub(super) fn has_forgotten(&self, token: Token) -> bool {
        (token.bits() >> 40) & 0xfff_ffff <= self.forgotten
    }

    /// Whether it may have left this token to a ttl that is not over yet.
    pub(super) fn may_leave(&self, token: Token) -> bool {
        (token.bits() >> 40) & 0xfff_ffff <= self.forgotten.max(self.outdated)
    }

    /// Under which name it hears over a line.
    pub(super) fn listener(&self, over: Over, line: SessionId) -> ListenerId {
        let base = listener(self.number, self.era).bits();
        ListenerId::from_bits(if over == Over::Keepers { base } else { base + u128::from(line.0) })
    }
}

fn scaled(duration: Duration, times: i128, by: i128) -> Duration {
    let nanos = i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX) * times / by;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn core(number: usize, era: u64) -> ClientState<Rc<Chair>> {
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

/// One task: an acquire, a body, a release.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) process: usize,
    pub(super) era: u64,
    pub(super) chair: Rc<Chair>,
    pub(super) id: CallId,
    pub(super) key: LockKey,
    pub(super) terms: Terms,
    /// Whether it runs where there is a connection for tasks.
    pub(super) is_on_runtime: bool,
    /// By the clock of its process.
    pub(super) arrived: Moment,
    pub(super) state: State,
    pub(super) sent: Option<Sent>,
    /// Which renewals by hand it awaits.
    pub(super) by_hand: Vec<Number>,
    /// A poll is on its way.
    pub(super) is_woken: Cell<bool>,
    /// When it was last woken.
    pub(super) woken_at: Cell<Moment>,
}

/// How far a task has come.
#[derive(Debug)]
pub(super) enum State {
    Asking,
    Inside(Body),
    Giving,
    Over,
}

/// What a task has sent by itself.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) mail: u64,
    pub(super) at: Moment,
    pub(super) line: SessionId,
    pub(super) request: Request,
    pub(super) answer: Option<Result<Reply, StoreError>>,
}

/// The work under a lock.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) token: Token,
    pub(super) began: bool,
    pub(super) ends_at: Moment,
    pub(super) ending: Ending,
    pub(super) in_step: bool,
    /// It was woken in the middle of a step.
    pub(super) again: bool,
}

/// How a body ends, if nothing ends it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Returns,
    Fails,
    Panics,
    IsDropped,
}
