//! [`ClientState`]: all keys of one client, and what they share.

use std::collections::BTreeSet;
use std::time::Duration;

use super::closing::{Closed, Closing, Next};
use super::contended::Contended;
use super::keys::{Entry, Keys};
use super::look_limiter::LookLimiter;
use super::slab::page;
use super::tally::Tally;
use super::timer_queue::TimerQueue;
use super::trust::Trust;
use crate::key::{
    Action, CallId, Census, Context, Effect, GrantedBy, Job, KeyId, KeyState, Known, ManualStep, Number, SessionId,
    Settings, Spares,
};
use crate::lease::{FirstLease, Rhythm};
use crate::store::{Grant, Kind, LockKey, LossReason, Moment, StoreError, Token};

/// How many calls and releases the keeper serves before it unlocks the client, and how many keys it looks at: meanwhile
/// every task of the client has to wait.
pub(super) const MOST_PER_ROUND: usize = 512;
/// How many unsolicited grants are given back at a time, and for how long each is tried.
const MOST_UNSOLICITED: usize = 64;
const LONGEST_UNSOLICITED: Duration = Duration::from_secs(30);

/// See the module. Whoever tells it an event carries out its [actions](Self::take_actions) afterwards.
#[derive(Debug)]
pub struct ClientState<C> {
    pub(super) settings: Settings,
    pub(super) keys: Keys<C>,
    census: Census,
    timers: TimerQueue,
    /// Keys that may have to be scheduled anew.
    touched: Vec<KeyId>,
    /// The last number that was given out.
    pub(super) numbers: u64,
    spare: Spares<C>,
    effects: Vec<Effect<C>>,
    pub(super) actions: Vec<Action<C>>,
    jobs: Vec<(KeyId, Job)>,
    pub(super) trust: Trust,
    pub(super) outage: Option<StoreError>,
    /// Keys with something that cannot be sent until the keeper has a session.
    pub(super) parked: BTreeSet<KeyId>,
    /// Keys with a waiter that is in the store's queue, or may be.
    pub(super) queued: BTreeSet<KeyId>,
    contended: Contended,
    pub(super) first_lease: FirstLease,
    looks: LookLimiter,
    tally: Tally,
    pub(super) closing: Option<Closing<C>>,
}

impl<C: Clone> ClientState<C> {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            keys: Keys::new(),
            census: Census::default(),
            timers: TimerQueue::default(),
            touched: Vec::new(),
            numbers: 0,
            spare: Spares::default(),
            effects: Vec::new(),
            actions: Vec::new(),
            jobs: Vec::new(),
            trust: Trust::default(),
            outage: None,
            parked: BTreeSet::new(),
            queued: BTreeSet::new(),
            contended: Contended::default(),
            first_lease: FirstLease::default(),
            looks: LookLimiter::default(),
            tally: Tally::default(),
            closing: None,
        }
    }

    /// A message over this session says that the store handed a key to a token of ours; returns whether a waiter
    /// expected it. Forged messages cost a bounded number of releases: beyond that, a grant is left to its first lease.
    pub fn handed_over(&mut self, now: Moment, session: SessionId, grant: &Grant) -> bool {
        let known = self.keys.find(&grant.key);
        let known =
            known.and_then(|key| self.on(now, key, |state, cx| state.handed_over(cx, session, grant)).flatten());
        if known.is_none() && self.census.unsolicited < MOST_UNSOLICITED {
            let (key, lasts) = (self.keys.find_or_new(&grant.key), grant.first_lease.min(LONGEST_UNSOLICITED));
            self.on(now, key, |state, cx| state.give_back_unsolicited(cx, grant.token, lasts));
        }
        known.unwrap_or(false)
    }

    /// A task asks for a renewal now, with this ttl from now on.
    pub fn renew_manually(&mut self, now: Moment, id: CallId, ttl: Duration) -> Number {
        let renewal = self.on(now, id.key, |state, cx| state.renew_manually(cx, id.number, ttl));
        renewal.unwrap_or(Number(0))
    }

    /// A task makes its exclusive lease a shared one, which it awaits like a manual renewal.
    pub fn downgrade(&mut self, now: Moment, id: CallId) -> Number {
        self.on(now, id.key, |state, cx| state.downgrade(cx, id.number)).unwrap_or(Number(0))
    }

    /// The call that holds this key for such a caller.
    pub fn holder_of(&self, key: &LockKey, is_it: impl Fn(&C) -> bool) -> Option<CallId> {
        let key = self.keys.find(key)?;
        let mut leases = self.keys.get(key)?.state.leases();
        leases.find(|(_, caller)| is_it(caller)).map(|(number, _)| CallId { key, number })
    }

    /// What has become of a manual renewal.
    pub fn manual_next(&mut self, now: Moment, id: CallId, renewal: Number) -> ManualStep {
        let step = self.on(now, id.key, |state, _| state.manual_next(id.number, renewal));
        step.unwrap_or(ManualStep::Lost(LossReason::Expired))
    }

    /// The task that asked for a manual renewal no longer awaits it.
    pub fn manual_cancelled(&mut self, now: Moment, id: CallId, renewal: Number) {
        self.on(now, id.key, |state, _| state.manual_cancelled(id.number, renewal));
    }

    /// Leaves a lease to its ttl, because the process ends in the middle of a step of its body.
    pub fn leave_to_ttl(&mut self, now: Moment, id: CallId) {
        self.on(now, id.key, |state, _| state.leave_to_ttl(id.number));
    }

    /// What was parked is due if the keeper has a session and had none.
    pub(super) fn change_trust(&mut self, now: Moment, change: impl FnOnce(&mut Trust)) {
        let has = |trust: &Trust| (trust.keeper().is_some(), trust.carrier().is_some());
        let before = has(&self.trust);
        change(&mut self.trust);
        if before < has(&self.trust) {
            for key in std::mem::take(&mut self.parked) {
                self.on(now, key, KeyState::unpark);
            }
        }
    }

    /// The actions of all events since the last call; empty, without an allocation, when nothing is contended.
    pub fn take_actions(&mut self) -> Vec<Action<C>> {
        std::mem::take(&mut self.actions)
    }

    /// The next moment at which the clock changes anything for this client.
    pub fn next_due(&mut self) -> Moment {
        self.schedule_touched();
        while let Some((at, slot)) = self.timers.first() {
            let due = self.due_at(slot);
            if due == at {
                break;
            }
            self.timers.schedule(slot, due);
        }
        self.soonest()
    }

    /// A lower bound of that, which is cheaper.
    pub fn soonest(&mut self) -> Moment {
        self.schedule_touched();
        let keys = self.timers.first().map_or(Moment::MAX, |(at, _)| at);
        let in_reach = self.trust.carrier().is_some();
        let closing = self.closing.as_ref().map_or(Moment::MAX, |closing| closing.due(in_reach));
        keys.min(self.trust.due()).min(self.looks.due()).min(closing)
    }

    /// Does what is due at `now`; part of it if that is very much, and the rest stays due. Returns what the keeper has
    /// to send.
    pub fn work(&mut self, now: Moment) -> Vec<(KeyId, Job)> {
        self.schedule_touched();
        let (mut from, mut left) = (Moment::MIN, MOST_PER_ROUND);
        while let Some(due) = self.timers.first_from(from).filter(|_| left > 0) {
            let keys = self.due_keys(due, left);
            if due > now && !keys.is_empty() && !keys.iter().any(|&key| self.can_renew_early(now, key)) {
                break;
            }
            for key in keys {
                left = left.saturating_sub(self.tick(now, key, due, left).max(1));
            }
            self.schedule_touched();
            from = due + Duration::from_nanos(1);
        }
        self.send_deferred_looks(now);
        self.tick_closing(now);
        std::mem::take(&mut self.jobs)
    }

    /// Does what is due at `due` for this key, for at most `most` calls and releases; returns for how many.
    fn tick(&mut self, now: Moment, key: KeyId, due: Moment, most: usize) -> usize {
        let is_due = self.due(key) == due && (due <= now || self.can_renew_early(now, key));
        let served = is_due.then(|| self.apply(now, key, |state, cx| state.tick(cx, most)));
        served.flatten().unwrap_or(0)
    }

    /// Sends deferred looks that the rate limit now admits.
    fn send_deferred_looks(&mut self, now: Moment) {
        while let Some((last, key)) = self.looks.next_deferred(now) {
            if self.apply(now, key, |state, cx| state.resume_look(cx, last)) == Some(true) {
                self.looks.record_sent(now);
            }
        }
    }

    /// The keys that are due at this moment, in order of arrival; at most `most` of those that are scheduled there. A
    /// slot that was scheduled too early is scheduled anew.
    fn due_keys(&mut self, at: Moment, most: usize) -> Vec<KeyId> {
        let slots: Vec<u32> = self.timers.at(at).take(most).collect();
        let mut keys = Vec::with_capacity(slots.len());
        for slot in slots {
            match self.due_at(slot) {
                due if due == at => keys.extend(self.keys.at(slot)),
                due => self.timers.schedule(slot, due),
            }
        }
        keys.sort_unstable();
        keys
    }

    /// When the key in this slot is due.
    fn due_at(&self, slot: u32) -> Moment {
        self.keys.at(slot).map_or(Moment::MAX, |key| self.due(key))
    }

    fn due(&self, key: KeyId) -> Moment {
        self.keys.get(key).map_or(Moment::MAX, |entry| entry.state.due())
    }

    fn can_renew_early(&self, now: Moment, key: KeyId) -> bool {
        self.keys.get(key).is_some_and(|entry| entry.state.can_renew_early(now))
    }

    /// Schedules every touched key once, however often it changed. A slot whose key is gone or due later is left as it
    /// is, to be found too early: most keys are gone before they are ever due.
    fn schedule_touched(&mut self) {
        while let Some(key) = self.touched.pop() {
            self.timers.schedule_no_later(key.slot, self.due(key));
        }
    }

    /// Tells a key an event, and does what follows from it.
    pub(super) fn on<R>(
        &mut self,
        now: Moment,
        key: KeyId,
        event: impl FnOnce(&mut KeyState<C>, &mut Context<'_, C>) -> R,
    ) -> Option<R> {
        let answer = self.apply(now, key, event);
        if self.closing.is_some() {
            self.tick_closing(now);
        }
        answer
    }

    /// The one place where a key's state changes: it is counted before and after, marked for scheduling, or removed
    /// when empty.
    fn apply<R>(
        &mut self,
        now: Moment,
        id: KeyId,
        event: impl FnOnce(&mut KeyState<C>, &mut Context<'_, C>) -> R,
    ) -> Option<R> {
        let Entry { key, state } = self.keys.get_mut(id)?;
        let before = state.census();
        let mut context = Context {
            now,
            key,
            known: Known {
                settings: &self.settings,
                keeper: self.trust.keeper(),
                carrier: self.trust.carrier(),
                listening: self.trust.listens(),
                closing: self.closing.is_some(),
                outage: self.outage.as_ref(),
                queued: self.census.queued,
                contended: self.contended.has(now, key),
                first_lease: &self.first_lease,
                rhythm: rhythm(&self.settings, id),
            },
            numbers: &mut self.numbers,
            effects: &mut self.effects,
            spare: &mut self.spare,
        };
        let answer = event(state, &mut context);
        state.settle(&mut context);
        let (after, is_empty) = (state.census(), state.is_empty());
        self.count(id, before, after);
        if is_empty {
            self.keys.remove(id);
            if !self.parked.is_empty() {
                self.parked.remove(&id);
            }
        } else if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
        if !self.effects.is_empty() {
            self.carry_out(now, id);
        }
        Some(answer)
    }

    fn count(&mut self, key: KeyId, before: Census, after: Census) {
        self.census = self.census.changed(before, after);
        match (before.queued, after.queued) {
            (0, 1) => drop(self.queued.insert(key)),
            (1, 0) => drop(self.queued.remove(&key)),
            _ => {}
        }
    }

    /// The one place where a key's effects are carried out.
    fn carry_out(&mut self, now: Moment, id: KeyId) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Do(action) => self.actions.push(action),
                Effect::Send(job) => self.jobs.push((id, job)),
                Effect::Park => drop(self.parked.insert(id)),
                Effect::TimedOut(_) => {
                    let timeout = self.settings.operation_timeout;
                    self.change_trust(now, |trust| trust.suspect_all(timeout, timeout));
                }
                Effect::NotHeard(session) => self.trust.probe(session, self.settings.operation_timeout),
                Effect::WantsLook { last } if self.looks.admit(now, id, last) => {
                    self.apply(now, id, |state, cx| state.resume_look(cx, last));
                }
                Effect::WantsLook { .. } => {}
                Effect::Contended => {
                    if let Some(entry) = self.keys.get(id) {
                        self.contended.note(now, &entry.key);
                    }
                }
                Effect::FirstLeaseTooShort => self.first_lease.was_too_short(),
                Effect::FirstLeaseLongEnough => self.first_lease.was_long_enough(),
                Effect::Granted(GrantedBy::ByMessage) => self.tally.by_message += 1,
                Effect::Granted(GrantedBy::ByLook) => self.tally.by_look += 1,
                Effect::Granted(GrantedBy::Locally) => self.tally.locally += 1,
            }
        }
        if self.effects.is_empty() {
            // Reuses the allocation.
            self.effects = effects;
        }
    }

    /// Refuses every waiting and every new call; leases may end by themselves until the grace period is over.
    pub fn close(&mut self, now: Moment, grace: Duration, watcher: C) {
        let lose_at = now + grace;
        if let Some(closing) = &mut self.closing {
            closing.again(lose_at, watcher);
        } else {
            self.closing = Some(Closing::new(lose_at, watcher));
            self.apply_to_all(now, KeyState::close);
        }
        self.tick_closing(now);
    }

    /// Refuses every waiting and every new call, because the process ends; returns the leases, so that the caller can
    /// tell which bodies are in the middle of a step.
    pub fn close_at_exit(&mut self, now: Moment, watcher: C) -> Vec<(CallId, C)> {
        if let Some(closing) = &mut self.closing {
            closing.reopen();
        }
        self.close(now, Duration::MAX, watcher);
        self.apply_to_all(now, KeyState::take_over_releases);
        let leases = |(key, entry): (KeyId, &Entry<C>)| {
            let call = move |(number, caller): (Number, &C)| (CallId { key, number }, caller.clone());
            entry.state.leases().map(call).collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(leases).collect()
    }

    /// Whether new calls are refused.
    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the closing has ended.
    pub fn is_closed(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.over)
    }

    /// Wakes all who await a release, because nobody does anything for this client any more.
    pub fn wake_releases(&mut self, now: Moment) {
        self.apply_to_all(now, KeyState::wake_releases);
    }

    /// How many leases and releases are unfinished.
    pub fn unfinished(&self) -> usize {
        self.census.unfinished
    }

    /// How the closing ended, once it has.
    pub fn closed(&self) -> Option<Closed> {
        let closing = self.closing.as_ref().filter(|closing| closing.over)?;
        let left = self
            .keys
            .iter()
            .flat_map(|(_, entry)| std::iter::repeat_n(&entry.key, entry.state.census().unfinished).cloned());
        Some(Closed { lost: closing.lost, left: left.collect() })
    }

    fn tick_closing(&mut self, now: Moment) {
        let in_reach = self.trust.carrier().is_some();
        while let Some(closing) = &mut self.closing {
            match closing.next(now, &self.census, in_reach) {
                Next::Wait => return,
                Next::LoseAll => self.apply_to_all(now, |state, cx| state.lose(cx, LossReason::Shutdown)),
                Next::Over => {
                    let watchers = std::mem::take(&mut closing.watchers);
                    return self.actions.extend(watchers.into_iter().map(Action::Wake));
                }
            }
        }
    }

    fn apply_to_all(&mut self, now: Moment, event: impl Fn(&mut KeyState<C>, &mut Context<'_, C>)) {
        for key in self.keys.ids() {
            self.apply(now, key, &event);
        }
    }

    /// How waiters were granted their leases.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How many leases are held.
    pub fn held(&self) -> usize {
        self.census.held
    }

    /// How many acquires are in progress.
    pub fn waiting(&self) -> usize {
        self.census.waiting
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }

    /// The token of a call; for tests and the simulator.
    pub fn token_of(&self, id: CallId) -> Option<Token> {
        self.keys.get(id.key)?.state.token_of(id.number)
    }

    /// Beside whom a call holds; for the simulator.
    pub fn kind_of(&self, id: CallId) -> Option<Kind> {
        self.keys.get(id.key)?.state.kind_of(id.number)
    }

    /// Whether a call was refused and its task does not know it yet.
    pub fn has_refused(&self, id: CallId) -> bool {
        self.keys.get(id.key).is_some_and(|entry| entry.state.has_refused(id.number))
    }

    /// Whether any call or release has this token.
    pub fn knows(&self, token: Token) -> bool {
        self.keys.iter().any(|(_, entry)| entry.state.knows(token))
    }

    /// Where counts, timers or sets of keys contradict the keys themselves; they never should.
    pub fn inconsistency(&mut self) -> Option<String> {
        self.schedule_touched();
        let censuses = self.keys.iter().map(|(_, entry)| entry.state.census());
        let counted = censuses.fold(Census::default(), |all, census| all.changed(Census::default(), census));
        let is_late = |(key, entry): (KeyId, &Entry<C>)| {
            (entry.state.due() < self.timers.scheduled_at(key.slot)).then(|| entry.key.to_string())
        };
        let is_lost = |(key, entry): (KeyId, &Entry<C>)| {
            let queues = entry.state.census().queued == 1;
            (queues != self.queued.contains(&key)).then(|| entry.key.to_string())
        };
        let miscounted = (counted != self.census).then(|| format!("{:?} are {counted:?}", self.census));
        let late = self.keys.iter().find_map(is_late).map(|key| format!("{key} is scheduled too late"));
        let lost = self.keys.iter().find_map(is_lost).map(|key| format!("the set of queued keys is wrong about {key}"));
        miscounted.or(late).or(lost)
    }

    /// What is left in a client that should be idle; nothing should be.
    pub fn residue(&mut self) -> Option<String> {
        // A slot that was scheduled too early is not left over.
        self.next_due();
        let is_empty = self.keys.is_empty()
            && self.timers.is_empty()
            && (self.parked.is_empty() && self.queued.is_empty() && self.looks.is_empty())
            && self.census == Census::default();
        let keys: Vec<String> = self.keys.iter().map(|(_, entry)| entry.key.to_string()).collect();
        (!is_empty).then(|| format!("{} keys {keys:?}, {} scheduled, {:?}", keys.len(), self.timers.len(), self.census))
    }
}

/// Keys on the same page are renewed together, because they share memory: with very many leases, fetching that is most
/// of what a renewal costs. Keys on other pages and of other clients are renewed at other times.
fn rhythm(settings: &Settings, key: KeyId) -> Rhythm {
    #[allow(clippy::cast_possible_truncation)] // half of an id is random enough
    let client = settings.listener.bits() as u64;
    Rhythm(client.wrapping_add(page(key) as u64))
}
