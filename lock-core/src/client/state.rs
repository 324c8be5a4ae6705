//! [`ClientState`]: all keys of one client, and what they share.

use std::collections::BTreeSet;
use std::time::Duration;

use super::closing::{Closed, Closing, Next};
use super::contended::Contended;
use super::keys::{Entry, Keys};
use super::look_limiter::LookLimiter;
use super::slab::page;
use super::timer_queue::TimerQueue;
use crate::key::{
    Action, CallId, Census, Context, Effect, How, Job, KeyId, KeyState, Known, ManualStep, Number, SessionId, Settings,
    Spares,
};
use crate::lease::{FirstLease, Rhythm};
use crate::store::{Grant, LossReason, Moment, StoreError, Token};

/// How many keys the keeper looks at before others may: while it does, every task of the client has to wait.
pub(super) const MOST_AT_ONCE: usize = 512;
/// How many grants that nobody waited for are given back at a time, and for how long that is tried.
const MOST_HANDED_BACK: usize = 64;
const LONGEST_HAND_BACK: Duration = Duration::from_secs(30);

/// How the leases came that were waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub by_message: u64,
    pub by_look: u64,
    pub locally: u64,
}

/// See the module. Whoever tells it what happened carries out its [actions](Self::take_actions) afterwards.
#[derive(Debug)]
pub struct ClientState<C> {
    settings: Settings,
    pub(super) keys: Keys<C>,
    census: Census,
    timers: TimerQueue,
    /// Keys that may have to be filed anew.
    touched: Vec<KeyId>,
    /// The last number that was given.
    pub(super) numbers: u64,
    spare: Spares<C>,
    effects: Vec<Effect<C>>,
    actions: Vec<Action<C>>,
    jobs: Vec<(KeyId, Job)>,
    pub(super) keeper: Option<SessionId>,
    pub(super) listening: bool,
    pub(super) outage: Option<StoreError>,
    /// Keys of which something cannot be sent before the keeper has a session.
    pub(super) parked: BTreeSet<KeyId>,
    /// Keys of which one stands in the store's queue, or may.
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
            keeper: None,
            listening: false,
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

    /// The store handed a key to one of our tokens, and said so over this session; whether somebody waited for it. What a
    /// stranger can have said is bounded: beyond that a grant is left to its first lease.
    pub fn handed(&mut self, now: Moment, session: SessionId, grant: &Grant) -> bool {
        let known = self.keys.find(&grant.key);
        let known = known.and_then(|key| self.on(now, key, |state, cx| state.handed(cx, session, grant)).flatten());
        if known.is_none() && self.census.handed_back < MOST_HANDED_BACK {
            let (key, lasts) = (self.keys.find_or_new(&grant.key), grant.first_lease.min(LONGEST_HAND_BACK));
            self.on(now, key, |state, cx| state.hand_back(cx, grant.token, lasts));
        }
        known.unwrap_or(false)
    }

    /// A task asks for a renewal now, and for this ttl from now on.
    pub fn renew_manually(&mut self, now: Moment, id: CallId, ttl: Duration) -> Number {
        let renewal = self.on(now, id.key, |state, cx| state.renew_manually(cx, id.number, ttl));
        renewal.unwrap_or(Number(0))
    }

    /// What has become of it.
    pub fn manual_next(&mut self, now: Moment, id: CallId, renewal: Number) -> ManualStep {
        let step = self.on(now, id.key, |state, _| state.manual_next(id.number, renewal));
        step.unwrap_or(ManualStep::Lost(LossReason::Expired))
    }

    /// The task that asked for it waits no more.
    pub fn manual_left(&mut self, now: Moment, id: CallId, renewal: Number) {
        self.on(now, id.key, |state, _| state.manual_left(id.number, renewal));
    }

    /// Leaves a lease to its ttl, because the process ends in the middle of a step of its body.
    pub fn forget(&mut self, now: Moment, id: CallId) {
        self.on(now, id.key, |state, _| state.forget(id.number));
    }

    /// A runtime's session is gone.
    pub fn session_gone(&mut self, now: Moment, session: SessionId) {
        for key in self.queued.clone() {
            self.on(now, key, |state, cx| state.session_gone(cx, session));
        }
    }

    /// What came of the events since the last time; empty, and then without cost, when nothing is contended.
    pub fn take_actions(&mut self) -> Vec<Action<C>> {
        std::mem::take(&mut self.actions)
    }

    /// When the clock concerns this client next.
    pub fn next_due(&mut self) -> Moment {
        self.file();
        while let Some((at, place)) = self.timers.first() {
            let due = self.due_at(place);
            if due == at {
                break;
            }
            self.timers.file(place, due);
        }
        self.soonest()
    }

    /// The same or a moment before that, at less cost.
    pub fn soonest(&mut self) -> Moment {
        self.file();
        let keys = self.timers.first().map_or(Moment::MAX, |(at, _)| at);
        keys.min(self.looks.due()).min(self.closing.as_ref().map_or(Moment::MAX, Closing::due))
    }

    /// What is due at `now`; if that is very much, a part of it, and the rest stays due.
    pub fn work(&mut self, now: Moment) -> Vec<(KeyId, Job)> {
        self.file();
        let (mut from, mut looked_at) = (Moment::MIN, 0);
        while let Some(due) = self.timers.first_from(from).filter(|_| looked_at < MOST_AT_ONCE) {
            let row = self.row(due, MOST_AT_ONCE - looked_at);
            looked_at += row.len();
            if due > now && !row.is_empty() && !row.iter().any(|&key| self.goes_along(now, key)) {
                break;
            }
            for key in row {
                if self.due(key) == due && (due <= now || self.goes_along(now, key)) {
                    self.visit(now, key, KeyState::tick);
                }
            }
            self.file();
            from = due + Duration::from_nanos(1);
        }
        self.serve_looks(now);
        self.tick_closing(now);
        std::mem::take(&mut self.jobs)
    }

    /// Looks that were put off and may be sent now.
    fn serve_looks(&mut self, now: Moment) {
        while let Some((last, key)) = self.looks.next(now) {
            if self.visit(now, key, |state, cx| state.look_now(cx, last)) == Some(true) {
                self.looks.went(now);
            }
        }
    }

    /// The keys that are due at this moment, in the order in which they came; at most so many of those that are filed
    /// there. Whatever is found too early is filed again.
    fn row(&mut self, at: Moment, most: usize) -> Vec<KeyId> {
        let places: Vec<u32> = self.timers.row(at).take(most).collect();
        let mut row = Vec::with_capacity(places.len());
        for place in places {
            match self.due_at(place) {
                due if due == at => row.extend(self.keys.at(place)),
                due => self.timers.file(place, due),
            }
        }
        row.sort_unstable();
        row
    }

    /// When whatever is at this place is due.
    fn due_at(&self, place: u32) -> Moment {
        self.keys.at(place).map_or(Moment::MAX, |key| self.due(key))
    }

    fn due(&self, key: KeyId) -> Moment {
        self.keys.get(key).map_or(Moment::MAX, |entry| entry.state.due())
    }

    fn goes_along(&self, now: Moment, key: KeyId) -> bool {
        self.keys.get(key).is_some_and(|entry| entry.state.goes_along(now))
    }

    /// Files every key that was touched: once, however often it changed. What is gone or put off is left, and found too
    /// early: most keys are gone before the clock ever concerns them.
    fn file(&mut self) {
        while let Some(key) = self.touched.pop() {
            self.timers.file_no_later(key.place, self.due(key));
        }
    }

    /// Tells a key what happened, and does what that leads to.
    pub(super) fn on<R>(
        &mut self,
        now: Moment,
        key: KeyId,
        event: impl FnOnce(&mut KeyState<C>, &mut Context<'_, C>) -> R,
    ) -> Option<R> {
        let answer = self.visit(now, key, event);
        if self.closing.is_some() {
            self.tick_closing(now);
        }
        answer
    }

    /// The one place where a key's state changes: what is counted is counted, what is due is filed, what is empty is gone.
    fn visit<R>(
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
                keeper: self.keeper,
                listening: self.listening,
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

    /// The one place where what a key wants is done.
    fn carry_out(&mut self, now: Moment, id: KeyId) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Do(action) => self.actions.push(action),
                Effect::Send(job) => self.jobs.push((id, job)),
                Effect::Park => drop(self.parked.insert(id)),
                Effect::WantsLook { last } if self.looks.may_go(now, id, last) => {
                    self.visit(now, id, |state, cx| state.look_now(cx, last));
                }
                Effect::WantsLook { .. } => {}
                Effect::Contended => {
                    if let Some(entry) = self.keys.get(id) {
                        self.contended.note(now, &entry.key);
                    }
                }
                Effect::FirstLeaseTooShort => self.first_lease.was_too_short(),
                Effect::FirstLeaseLongEnough => self.first_lease.was_long_enough(),
                Effect::Came(How::ByMessage) => self.tally.by_message += 1,
                Effect::Came(How::ByLook) => self.tally.by_look += 1,
                Effect::Came(How::Locally) => self.tally.locally += 1,
            }
        }
        if self.effects.is_empty() {
            // Its room is used again.
            self.effects = effects;
        }
    }

    /// Refuses everyone who waits or comes; leases may end by themselves until the grace is over.
    pub fn close(&mut self, now: Moment, grace: Duration, watcher: C) {
        let lose_at = now + grace;
        if let Some(closing) = &mut self.closing {
            closing.again(lose_at, watcher);
        } else {
            self.closing = Some(Closing::new(lose_at, watcher));
            self.visit_all(now, KeyState::close);
        }
        self.tick_closing(now);
    }

    /// Refuses everyone who waits or comes, because the process ends; answers with the leases, for whoever can tell
    /// which of their bodies is in the middle of a step.
    pub fn close_at_exit(&mut self, now: Moment, watcher: C) -> Vec<(CallId, C)> {
        if let Some(closing) = &mut self.closing {
            closing.reopen();
        }
        self.close(now, Duration::MAX, watcher);
        self.visit_all(now, KeyState::take_over_releases);
        let leases = |(key, entry): (KeyId, &Entry<C>)| {
            let call = move |(number, caller): (Number, &C)| (CallId { key, number }, caller.clone());
            entry.state.leases().map(call).collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(leases).collect()
    }

    /// What the closing came to, once it is over.
    pub fn closed(&self) -> Option<Closed> {
        let closing = self.closing.as_ref().filter(|closing| closing.over)?;
        let left = self
            .keys
            .iter()
            .flat_map(|(_, entry)| std::iter::repeat_n(&entry.key, entry.state.census().unfinished).cloned());
        Some(Closed { lost: closing.lost, left: left.collect() })
    }

    fn tick_closing(&mut self, now: Moment) {
        while let Some(closing) = &mut self.closing {
            match closing.next(now, &self.census) {
                Next::Wait => return,
                Next::LoseAll => self.visit_all(now, |state, cx| state.lose(cx, LossReason::Shutdown)),
                Next::Over => {
                    let watchers = std::mem::take(&mut closing.watchers);
                    return self.actions.extend(watchers.into_iter().map(Action::Wake));
                }
            }
        }
    }

    fn visit_all(&mut self, now: Moment, event: impl Fn(&mut KeyState<C>, &mut Context<'_, C>)) {
        for key in self.keys.ids() {
            self.visit(now, key, &event);
        }
    }

    /// How the leases came that were waited for.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How many leases are held.
    pub fn held(&self) -> usize {
        self.census.held
    }

    /// How many acquires are under way.
    pub fn waiting(&self) -> usize {
        self.census.waiting
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }

    /// The token of a call, for whoever watches.
    pub fn token_of(&self, id: CallId) -> Option<Token> {
        self.keys.get(id.key)?.state.token_of(id.number)
    }

    /// Whether a call was refused; its task may have yet to hear.
    pub fn has_refused(&self, id: CallId) -> bool {
        self.keys.get(id.key).is_some_and(|entry| entry.state.has_refused(id.number))
    }

    /// Whether anything has this token.
    pub fn knows(&self, token: Token) -> bool {
        self.keys.iter().any(|(_, entry)| entry.state.knows(token))
    }

    /// Where what is counted, filed and remembered differs from what the keys themselves say; nothing should.
    pub fn inconsistency(&mut self) -> Option<String> {
        self.file();
        let censuses = self.keys.iter().map(|(_, entry)| entry.state.census());
        let counted = censuses.fold(Census::default(), |all, census| all.changed(Census::default(), census));
        let is_late = |(key, entry): (KeyId, &Entry<C>)| {
            (entry.state.due() < self.timers.filed(key.place)).then(|| entry.key.to_string())
        };
        let is_lost = |(key, entry): (KeyId, &Entry<C>)| {
            let queues = entry.state.census().queued == 1;
            (queues != self.queued.contains(&key)).then(|| entry.key.to_string())
        };
        let miscounted = (counted != self.census).then(|| format!("{:?} are {counted:?}", self.census));
        let late = self.keys.iter().find_map(is_late).map(|key| format!("{key} is filed too late"));
        let lost = self.keys.iter().find_map(is_lost).map(|key| format!("{key} is in a queue or not"));
        miscounted.or(late).or(lost)
    }

    /// What is still there of a client that has come to rest; nothing should be.
    pub fn residue(&mut self) -> Option<String> {
        // What is filed too early is not left over.
        self.next_due();
        let is_empty = self.keys.is_empty()
            && self.timers.is_empty()
            && (self.parked.is_empty() && self.queued.is_empty() && self.looks.is_empty())
            && self.census == Census::default();
        let keys: Vec<String> = self.keys.iter().map(|(_, entry)| entry.key.to_string()).collect();
        (!is_empty).then(|| format!("{} keys {keys:?}, {} filed, {:?}", keys.len(), self.timers.len(), self.census))
    }
}

/// Keys that lie side by side are renewed together, and so is what lies beside them in memory: with very many of them,
/// fetching that is most of what a renewal costs. Those of another page or another client have a rhythm of their own.
fn rhythm(settings: &Settings, key: KeyId) -> Rhythm {
    #[allow(clippy::cast_possible_truncation)] // half of an id is random enough
    let client = settings.listener.bits() as u64;
    Rhythm(client.wrapping_add(page(key) as u64))
}
