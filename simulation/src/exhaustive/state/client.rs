//! One client with one key: the key's state as it ships, and what the client's state does for it.
//!
//! `lock_core::client` keeps many keys, and counts, schedules and batches for them. With one key little of that is
//! left, and here it is: a value that can be compared. Must stay true: it decides nothing.

use std::sync::LazyLock;
use std::time::Duration;

use lock_core::key::{
    Action, CallId, Census, Completion, Context, Effect, Job, KeyId, KeyState, Known, ManualStep, Number, Refusal,
    ReleaseReply, ReleaseStep, SessionId, Settings, Spares, Step, Via,
};
use lock_core::lease::{FirstLease, Rhythm, Terms};
use lock_core::store::model::Model;
use lock_core::store::{Acquired, Grant, Kind, LossReason, Renewed, StoreError, Token};
use lock_core::walk::CallTable;
use lock_core::{LockKey, Moment};

use super::names::StateNames;
use super::packet::{KEEPERS, listener};
use crate::exhaustive::plan::{OPERATION, Plan};

/// The one key.
pub(crate) static KEY: LazyLock<LockKey> = LazyLock::new(|| LockKey::from("a"));
/// More than a key of this check ever has.
const MOST_PER_ROUND: usize = 64;
/// How long a key counts as contended after waiters were seen.
const CONTENDED_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    index: usize,
    has_messages: bool,
    local_handover: bool,
    state: KeyState<usize>,
    /// The last number that was given out.
    numbers: u64,
    first_lease: FirstLease,
    contended_until: Moment,
    /// The keeper's session.
    keeper: Option<SessionId>,
    actions: Vec<Action<usize>>,
    jobs: Vec<(KeyId, Job)>,
}

impl Client {
    pub(crate) fn new(index: usize, plan: &Plan) -> Self {
        Self {
            index,
            has_messages: plan.has_messages,
            local_handover: plan.local_handover,
            state: KeyState::default(),
            numbers: 0,
            first_lease: FirstLease::default(),
            contended_until: Moment::MIN,
            keeper: Some(KEEPERS),
            actions: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// Tells the key an event, and carries out its effects.
    fn on<R>(&mut self, now: Moment, event: impl FnOnce(&mut KeyState<usize>, &mut Context<'_, usize>) -> R) -> R {
        let settings = Settings {
            operation_timeout: OPERATION,
            listener: listener(self.index, KEEPERS),
            local_handover: self.local_handover,
            capabilities: Model::CAPABILITIES,
        };
        let (mut effects, mut spare) = (Vec::new(), Spares::default());
        let known = Known {
            settings: &settings,
            keeper: self.keeper,
            carrier: self.keeper,
            listening: self.has_messages,
            closing: false,
            outage: None,
            queued: self.state.census().queued,
            contended: now < self.contended_until,
            first_lease: &self.first_lease,
            rhythm: Rhythm(self.index as u64),
        };
        let (numbers, effects_) = (&mut self.numbers, &mut effects);
        let mut context = Context { now, key: &KEY, known, numbers, effects: effects_, spare: &mut spare };
        let answer = event(&mut self.state, &mut context);
        self.state.settle(&mut context);
        if self.state.is_empty() {
            self.state = KeyState::default();
        }
        for effect in effects {
            self.carry_out(now, effect);
        }
        answer
    }

    fn carry_out(&mut self, now: Moment, effect: Effect<usize>) {
        match effect {
            Effect::Do(action) => self.actions.push(action),
            Effect::Send(job) => self.jobs.push((KeyId::default(), job)),
            // One waiter does not reach the rate limit.
            Effect::WantsLook { last } => drop(self.on(now, |state, cx| state.resume_look(cx, last))),
            Effect::Contended => self.contended_until = now + CONTENDED_FOR,
            Effect::FirstLeaseTooShort => self.first_lease.was_too_short(),
            Effect::FirstLeaseLongEnough => self.first_lease.was_long_enough(),
            // Whatever is parked is told when there is a session for the keeper again: here each answers its probe.
            Effect::TimedOut(_) => self.on(now, KeyState::unpark),
            Effect::Park | Effect::NotHeard(_) | Effect::Granted(_) => {}
        }
    }

    /// Does what is due; returns what the keeper has to send.
    pub(crate) fn work(&mut self, now: Moment) -> Vec<(KeyId, Job)> {
        self.on(now, |state, cx| state.tick(cx, MOST_PER_ROUND));
        std::mem::take(&mut self.jobs)
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action<usize>> {
        std::mem::take(&mut self.actions)
    }

    /// A message over this session says that the store handed the key to a token.
    pub(crate) fn handed_over(&mut self, now: Moment, session: SessionId, grant: &Grant) {
        let known = self.on(now, |state, cx| state.handed_over(cx, session, grant));
        if known.is_none() {
            self.on(now, |state, cx| state.give_back_unsolicited(cx, grant.token, grant.first_lease));
        }
    }

    /// A runtime's session is gone.
    pub(crate) fn session_gone(&mut self, now: Moment, session: SessionId) {
        self.on(now, |state, cx| state.session_gone(cx, session));
    }

    /// A task asks for a renewal now.
    pub(crate) fn renew_manually(&mut self, now: Moment, id: CallId, ttl: Duration) -> Number {
        self.on(now, |state, cx| state.renew_manually(cx, id.number, ttl))
    }

    /// A task makes its exclusive lease a shared one.
    pub(crate) fn downgrade(&mut self, now: Moment, id: CallId) -> Number {
        self.on(now, |state, cx| state.downgrade(cx, id.number))
    }

    /// As what a call holds.
    pub(crate) fn kind_of(&self, id: CallId) -> Option<Kind> {
        self.state.kind_of(id.number)
    }

    /// Whether a manual renewal has no outcome yet.
    pub(crate) fn awaits_manual(&mut self, now: Moment, id: CallId, renewal: Number) -> bool {
        matches!(self.on(now, |state, _| state.manual_next(id.number, renewal)), ManualStep::Pending)
    }

    pub(crate) fn keeper(&self) -> Option<SessionId> {
        self.keeper
    }

    pub(crate) fn due(&self) -> Moment {
        self.state.due()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state.is_empty() && self.state.census() == Census::default()
    }

    pub(crate) fn knows(&self, token: Token) -> bool {
        self.state.knows(token)
    }

    pub(crate) fn token_of(&self, id: CallId) -> Option<Token> {
        self.state.token_of(id.number)
    }

    pub(crate) fn has_refused(&self, id: CallId) -> bool {
        self.state.has_refused(id.number)
    }

    pub(crate) fn show_names(&mut self, names: &mut impl StateNames) {
        self.state.show_names(names);
        names.moment(&mut self.contended_until);
    }

    /// The last number counts from here on.
    pub(crate) fn set_last_number(&mut self, now: Moment, last: u64) {
        self.numbers = last;
        if self.contended_until <= now {
            self.contended_until = Moment::MIN;
        }
    }
}

impl CallTable<usize> for Client {
    fn arrive(
        &mut self,
        now: Moment,
        _: &LockKey,
        token: Token,
        terms: Terms,
        caller: usize,
    ) -> Result<CallId, Refusal> {
        self.numbers += 1;
        let number = Number(self.numbers);
        self.on(now, |state, cx| state.arrive(cx, number, token, terms, caller))?;
        Ok(CallId { key: KeyId::default(), number })
    }

    fn next(&mut self, now: Moment, id: CallId, via: Option<Via>) -> Step {
        self.on(now, |state, cx| state.next(cx, id.number, via))
    }

    fn answered(&mut self, now: Moment, id: CallId, token: Token, sent: Moment, answer: Result<Acquired, StoreError>) {
        if answer.is_ok() {
            self.first_lease.saw_round_trip_of_task(now.since(sent));
        }
        self.on(now, |state, cx| state.answered(cx, id.number, token, sent, answer));
    }

    fn keeper_saw_round_trip(&mut self, round_trip: Duration) {
        self.first_lease.saw_round_trip(round_trip);
    }

    fn cut_off(&mut self, now: Moment, id: CallId) {
        self.on(now, |state, cx| state.cut_off(cx, id.number));
    }

    fn cancelled(&mut self, now: Moment, id: CallId) {
        self.on(now, |state, cx| state.cancelled(cx, id.number));
    }

    fn renewed(
        &mut self,
        now: Moment,
        _: KeyId,
        token: Token,
        (sent, ttl): (Moment, Duration),
        answer: Result<Renewed, StoreError>,
    ) {
        self.on(now, |state, cx| state.renewed(cx, token, sent, ttl, answer));
    }

    fn lapsed(&mut self, now: Moment, id: CallId) -> Result<Moment, LossReason> {
        self.on(now, |state, cx| state.lapsed(cx, id.number))
    }

    fn complete(&mut self, now: Moment, id: CallId) -> Completion {
        self.on(now, |state, cx| state.complete(cx, id.number))
    }

    fn end(&mut self, now: Moment, id: CallId, awaited_until: Option<Moment>) {
        self.on(now, |state, cx| state.end(cx, id.number, awaited_until));
    }

    fn release_next(&mut self, now: Moment, id: CallId, session: Option<SessionId>) -> ReleaseStep {
        self.on(now, |state, cx| state.release_next(cx, id.number, session))
    }

    fn release_cancelled(&mut self, now: Moment, id: CallId) {
        self.on(now, |state, cx| state.release_cancelled(cx, id.number));
    }

    fn released(&mut self, now: Moment, id: CallId, via: Option<SessionId>, answer: Result<ReleaseReply, StoreError>) {
        self.on(now, |state, cx| state.released(cx, id.number, via, answer));
    }

    fn connected(&mut self, now: Moment, session: SessionId, _: bool) {
        self.keeper = Some(session);
        self.on(now, KeyState::connected);
    }

    fn disconnected(&mut self) {
        self.keeper = None;
    }

    /// The store never is, here.
    fn out_of_reach(&mut self, _: StoreError) {}

    fn holds(&self, _: KeyId, token: Token) -> bool {
        self.state.holds(token)
    }
}
