//! [`KeyState`]: the state machine of one key of one client. An event in, effects out.

use std::time::Duration;

use super::asking::{self, Answer};
use super::beside;
use super::calls::{Active, Calls, Holder};
use super::census::{self, Census};
use super::context::{Context, Effect, GrantedBy};
use super::ending;
use super::giving_back::give_back;
use super::granting::{grant, start_over};
use super::held::{By, Granted};
use super::holding::{self, SentRenewal};
use super::ids::{Number, SessionId};
use super::leaving::{recheck_held, refuse, refuse_holder};
use super::local_queue::Waiter;
use super::messages::{Completion, ManualStep, Refusal, ReleaseReply, ReleaseStep, Step, Via};
use super::names::CallNames;
use super::phase::Phase;
use super::release;
use super::releasing::Releasing;
use super::ticking;
use super::unseen;
use super::waiting::Waiting;
use crate::lease::{Fences, Terms, Wait};
use crate::planted::{Mutant, planted};
use crate::store::{Acquired, Grant, Kind, LossReason, Moment, Renewed, StoreError, Token};

/// The holder of a key, the call that asks the store, the local queue, and releases without an answer.
///
/// `C` stands for the task of a call: cheap to clone, and dropping one runs no foreign code. Each event is a method,
/// because each has its own arguments and result; everything else to be done goes into the context as effects.
/// Must stay true: at most one call asks the store, and those who hold the key agree in kind; a token is used for one
/// grant, which several calls of this process may hold in turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyState<C> {
    calls: Calls<C>,
}

impl<C> Default for KeyState<C> {
    fn default() -> Self {
        Self { calls: Calls::default() }
    }
}

impl<C: Clone> KeyState<C> {
    /// A call arrives. A call that is refused at once leaves nothing behind.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn arrive(
        &mut self,
        cx: &mut Context<'_, C>,
        number: Number,
        token: Token,
        terms: Terms,
        caller: C,
    ) -> Result<(), Refusal> {
        if terms.wait == Wait::AtMost(Duration::ZERO) && self.calls.is_known_held(cx.now, terms.kind) {
            return Err(Refusal::Busy { free_at: self.calls.free_at(cx.now) });
        }
        let waiting = Waiting::new(cx.now, token, terms, cx.known.settings.operation_timeout);
        let mut waiter = Waiter { number, caller, token, waiting: cx.spare.waiting.put_into(waiting) };
        let is_first = self.calls.queue().is_none_or(|queue| queue.len() == 0);
        if is_first && self.calls.is_free_for(terms.kind) {
            waiter.waiting.may_ask(cx.now);
            self.calls.active = Active::Waiter(waiter);
        } else {
            let is_wait_over = waiter.waiting.wait_until <= cx.now;
            self.calls.others_or_new(cx.spare).queue.insert(cx.now, waiter);
            if is_wait_over {
                recheck_held(&mut self.calls, cx.now);
            }
        }
        Ok(())
    }

    /// The next step of a call without a lease; `via` is the session of its task's runtime, if there is one.
    pub fn next(&mut self, cx: &mut Context<'_, C>, number: Number, via: Option<Via>) -> Step {
        if let Some(step) = beside::with_number(&mut self.calls, number, |calls| holding::next(calls, cx, number)) {
            return step;
        }
        if let Some(waiter) = self.calls.waiter_mut().filter(|waiter| waiter.number == number) {
            waiter.waiting.set_own_session(via);
            asking::report_silence(cx, waiter.waiting.polled_without_answer());
            return match waiter.waiting.phase {
                Phase::MayAsk { .. } => asking::ask_by_task(&mut self.calls, cx, via.map(|via| via.session)),
                Phase::Asking { by_task: true, .. } => Step::AwaitAnswer,
                // Its own answer may still be the first.
                Phase::Asking { .. } if waiter.waiting.overtaken.is_some() => Step::AwaitAnswer,
                _ => Step::Pending,
            };
        }
        let Some(others) = self.calls.others_mut() else { return Step::Pending };
        if let Some(waiter) = others.queue.get_mut(number) {
            waiter.waiting.set_own_session(via);
        } else if let Some(mut waiter) = others.passed_over.remove(&number) {
            waiter.waiting.set_own_session(via);
            unseen::come_back(&mut self.calls, cx, waiter);
        }
        let Some(others) = self.calls.others_mut() else { return Step::Pending };
        others.refused.remove(&number).map_or(Step::Pending, Step::Refused)
    }

    /// The store answered a request that this call sent for `token`.
    pub fn answered(
        &mut self,
        cx: &mut Context<'_, C>,
        number: Number,
        token: Token,
        sent: Moment,
        result: Result<Acquired, StoreError>,
    ) {
        asking::answered(&mut self.calls, cx, number, Answer { token, sent, result });
    }

    /// The session that was to tell this call of its grant is gone, and its look was not sent: the call takes its old
    /// place in the store's queue again, under a new token and with another listener.
    pub fn cut_off(&mut self, cx: &mut Context<'_, C>, number: Number) {
        let is_it = |waiter: &Waiter<C>| {
            waiter.number == number && matches!(waiter.waiting.phase, Phase::Asking { by_task: false, .. })
        };
        let Some(mut waiter) = self.calls.take_active_waiter(is_it) else { return };
        waiter.waiting.phase = Phase::InLocalQueue;
        waiter.waiting.clear_own_session();
        give_back(&mut self.calls, cx, &waiter);
        start_over(&mut self.calls, cx, waiter, None);
    }

    /// A message over this session says that the store handed the key to a token; returns whether a waiter of ours
    /// expected it. None if no call has that token: anybody can forge such a message, but nobody can guess a token.
    pub fn handed_over(&mut self, cx: &mut Context<'_, C>, session: SessionId, grant_: &Grant) -> Option<bool> {
        if let Some(waiter) = self.calls.take_active_waiter(|waiter| waiter.token == grant_.token) {
            if waiter.waiting.push_session != Some(session) {
                // The new session's clock may not be the one that we have a reading of; a look over the new session
                // follows.
                let is_known = waiter.waiting.entry.is_some();
                self.calls.active = Active::Waiter(waiter);
                return is_known.then_some(true);
            }
            let counted = waiter.waiting.earliest_hand_over(grant_.clock).min(cx.now);
            let granted = Granted {
                fences: Fences::block(grant_.fence, grant_.fences),
                from: if planted(Mutant::HandOverFromArrival) { cx.now } else { counted },
                by: By::Message { first_lease: grant_.first_lease },
            };
            if grant(&mut self.calls, cx, waiter, granted) {
                cx.effects.push(Effect::Granted(GrantedBy::ByMessage));
                self.renew_for_local_waiters(cx.now);
            }
            return Some(true);
        }
        // This grant is known already, and counts once.
        let is_held = self.holds(grant_.token);
        let is_lost =
            || self.calls.others().is_some_and(|others| others.lost.iter().any(|holder| holder.token == grant_.token));
        // So is that of a lease under release. A token that was given back for another reason may be granted only now.
        let is_released =
            || self.calls.releases().any(|releasing| releasing.caller.is_some() && releasing.token == grant_.token);
        (is_held || is_lost() || is_released()).then_some(false)
    }

    /// A first lease is too short for a local hand-over, so it is renewed while its first holder still runs.
    fn renew_for_local_waiters(&mut self, now: Moment) {
        let heirs = self.calls.waiting_locally();
        if let Some(Holder { held, .. }) = self.calls.holder_mut()
            && held.schedule.is_automatic()
            && held.fences.spare > 0
            && heirs > 0
        {
            held.schedule.renew_now(now);
        }
    }

    /// Gives back a grant that no call here waits for; nobody awaits this release.
    pub fn give_back_unsolicited(&mut self, cx: &mut Context<'_, C>, token: Token, lasts: Duration) {
        let releasing = Releasing::unsolicited(cx.now, cx.number(), token, lasts);
        self.calls.others_or_new(cx.spare).releases.push(releasing);
    }

    /// A deferred look may be sent now; returns whether the waiter that last looked at `last` still needs it.
    pub fn resume_look(&mut self, cx: &mut Context<'_, C>, last: Moment) -> bool {
        asking::resume_look(&mut self.calls, cx, last)
    }

    /// The task of a call without a grant, or with a grant that it has not seen yet, was dropped.
    pub fn cancelled(&mut self, cx: &mut Context<'_, C>, number: Number) {
        if let Some(waiter) = self.calls.take_active_waiter(|waiter| waiter.number == number) {
            give_back(&mut self.calls, cx, &waiter);
            return cx.spare.waiting.keep(waiter.waiting);
        }
        if let Some(others) = self.calls.others_mut() {
            if let Some(waiter) = others.queue.remove(number) {
                cx.spare.waiting.keep(waiter.waiting);
            }
            others.refused.remove(&number);
            if let Some(mut waiter) = others.passed_over.remove(&number) {
                unseen::give_back_left_behind(&mut self.calls, cx, &mut waiter);
                cx.spare.waiting.keep(waiter.waiting);
            }
        }
        self.end(cx, number, None);
    }

    /// A renewal of a token was answered; another call may hold the lease by now.
    pub fn renewed(
        &mut self,
        cx: &mut Context<'_, C>,
        token: Token,
        sent: Moment,
        ttl: Duration,
        answer: Result<Renewed, StoreError>,
    ) {
        let renewal = SentRenewal { token, sent, ttl };
        let is_it = |holder: &Holder<C>| holder.token == token;
        beside::with(&mut self.calls, is_it, |calls| holding::renewed(calls, cx, renewal, answer));
    }

    /// The lease's own task found that its time is over: returns the new deadline if it was extended, or how it was
    /// lost.
    ///
    /// # Errors
    /// How it was lost.
    pub fn lapsed(&mut self, cx: &mut Context<'_, C>, number: Number) -> Result<Moment, LossReason> {
        beside::with_number(&mut self.calls, number, |calls| holding::lapsed(calls, cx, number))
    }

    /// A task asks for a renewal now, with this ttl from now on.
    pub fn renew_manually(&mut self, cx: &mut Context<'_, C>, number: Number, ttl: Duration) -> Number {
        beside::with_number(&mut self.calls, number, |calls| holding::renew_manually(calls, cx, number, ttl))
    }

    /// A task makes its exclusive lease a shared one; it awaits that as a renewal. From now on it counts as shared.
    pub fn downgrade(&mut self, cx: &mut Context<'_, C>, number: Number) -> Number {
        beside::with_number(&mut self.calls, number, |calls| holding::downgrade(calls, cx, number))
    }

    /// What has become of a manual renewal.
    pub fn manual_next(&mut self, number: Number, renewal: Number) -> ManualStep {
        holding::manual_next(&mut self.calls, number, renewal)
    }

    /// The task that asked for a manual renewal no longer awaits it.
    pub fn manual_cancelled(&mut self, number: Number, renewal: Number) {
        holding::manual_cancelled(&mut self.calls, number, renewal);
    }

    /// The body of a lease has succeeded; it ends next.
    pub fn complete(&mut self, cx: &Context<'_, C>, number: Number) -> Completion {
        beside::with_number(&mut self.calls, number, |calls| {
            calls
                .holder_of_mut(number)
                .map_or(Completion::Lost(LossReason::Expired), |holder| holder.held.complete(cx.now))
        })
    }

    /// A lease ends, because its body or guard was dropped. A task awaits the release until `awaited_until`, if that is
    /// given.
    pub fn end(&mut self, cx: &mut Context<'_, C>, number: Number, awaited_until: Option<Moment>) {
        beside::with_number(&mut self.calls, number, |calls| ending::end(calls, cx, number, awaited_until));
    }

    /// Leaves a lease to its ttl, because the process ends in the middle of a step of its body.
    pub fn leave_to_ttl(&mut self, number: Number) {
        beside::with_number(&mut self.calls, number, |calls| {
            if calls.take_active_holder(|holder| holder.number == number).is_none() {
                calls.take_lost(number);
            }
        });
    }

    /// The next step of a task that awaits a release; `session` is that of its runtime, if there is one.
    pub fn release_next(&mut self, cx: &mut Context<'_, C>, number: Number, session: Option<SessionId>) -> ReleaseStep {
        release::next(&mut self.calls, cx, number, session)
    }

    /// The task that awaited this release was dropped.
    pub fn release_cancelled(&mut self, cx: &mut Context<'_, C>, number: Number) {
        release::cancelled(&mut self.calls, cx, number);
    }

    /// A release was answered; `via` is the session that carried it.
    pub fn released(
        &mut self,
        cx: &mut Context<'_, C>,
        number: Number,
        via: Option<SessionId>,
        answer: Result<ReleaseReply, StoreError>,
    ) {
        release::released(&mut self.calls, cx, number, via, answer);
    }

    /// The keeper has a session of its own again: what was parked is due, and a waiter in the store's queue that would
    /// have been told of its grant over the keeper's old session looks whether it missed one.
    pub fn connected(&mut self, cx: &mut Context<'_, C>) {
        let (now, push_session) = (cx.now, cx.keeper_push_session());
        if let Active::Waiter(Waiter { waiting, .. }) = &mut self.calls.active {
            let is_keepers = |listener| listener == cx.known.settings.listener;
            if waiting.entry.as_ref().is_some_and(|(entry, _)| is_keepers(entry.listener)) {
                waiting.push_session_changed(now, push_session);
            }
        }
        self.unpark(cx);
    }

    /// There is a session for the keeper again: what was parked is due.
    pub fn unpark(&mut self, cx: &mut Context<'_, C>) {
        let now = cx.now;
        match &mut self.calls.active {
            Active::Waiter(Waiter { waiting, .. }) => {
                waiting.unpark(now);
                if waiting.is_asked_by_task() && waiting.overtake_at == Moment::MAX && waiting.overtaken.is_none() {
                    waiting.overtake_at = now;
                }
            }
            Active::Holder(Holder { held, .. }) => held.unpark(now),
            Active::Nobody => {}
        }
        for holder in self.calls.others_mut().into_iter().flat_map(|others| &mut others.beside) {
            holder.held.unpark(now);
        }
        for releasing in self.calls.others_mut().into_iter().flat_map(|others| &mut others.releases) {
            releasing.unpark(now);
        }
    }

    /// A session is gone. A request over it has no answer any more. A waiter that would have been told of its grant
    /// over it looks at once, finds the session gone, and queues in its old place under a new token; until then the
    /// store counts it as dead.
    pub fn session_gone(&mut self, cx: &mut Context<'_, C>, session: SessionId) {
        if let Some(waiter) = self.calls.take_active_waiter(|waiter| waiter.waiting.asks_over(session)) {
            asking::request_failed(&mut self.calls, cx, waiter, StoreError::no_answer());
        }
        if let Some(waiter) = self.calls.waiter_mut()
            && waiter.waiting.push_session == Some(session)
        {
            waiter.waiting.look_at_once(cx.now);
        }
    }

    /// Whether the end of this session concerns it.
    pub fn relies_on(&self, session: SessionId) -> bool {
        let Active::Waiter(Waiter { waiting, .. }) = &self.calls.active else { return false };
        waiting.push_session == Some(session) || waiting.asks_over(session)
    }

    /// Refuses all waiters. Releases that are scheduled to be repeated are repeated now; whatever that misses expires
    /// by its ttl.
    pub fn close(&mut self, cx: &mut Context<'_, C>) {
        let unseen = |holder: &Holder<C>| !holder.held.is_claimed();
        if let Some(waiter) = self.calls.take_active_waiter(|_| true) {
            refuse(&mut self.calls, cx, waiter, Refusal::ShuttingDown);
        } else if let Some(holder) = self.calls.take_active_holder(unseen) {
            refuse_holder(&mut self.calls, cx, holder, Refusal::ShuttingDown);
        }
        beside::with_each(&mut self.calls, unseen, |calls| {
            if let Some(holder) = calls.take_active_holder(unseen) {
                refuse_holder(calls, cx, holder, Refusal::ShuttingDown);
            }
        });
        let waiting = self.calls.others_mut().map(|others| {
            let passed_over = std::mem::take(&mut others.passed_over).into_values();
            others.queue.take_all().into_iter().chain(passed_over)
        });
        for waiter in waiting.into_iter().flatten() {
            refuse(&mut self.calls, cx, waiter, Refusal::ShuttingDown);
        }
        for releasing in self.calls.others_mut().into_iter().flat_map(|others| &mut others.releases) {
            releasing.close(cx.now);
        }
    }

    /// The keeper takes over every release that a task was to send or has sent: the task may never be polled again.
    pub fn take_over_releases(&mut self, cx: &mut Context<'_, C>) {
        let releases: Vec<Number> = self.calls.releases().map(|releasing| releasing.number).collect();
        for number in releases {
            if self.calls.release_mut(number).is_some_and(|releasing| releasing.take_over(cx.now)) {
                release::abandon_rotation(&mut self.calls, cx, number);
            }
        }
    }

    /// Wakes all who await a release.
    pub fn wake_releases(&mut self, cx: &mut Context<'_, C>) {
        for releasing in self.calls.releases().filter(|releasing| releasing.awaited_until.is_some()) {
            releasing.caller.iter().for_each(|caller| cx.wake(caller.clone()));
        }
    }

    /// Ends each lease as lost that there is.
    pub fn lose(&mut self, cx: &mut Context<'_, C>, reason: LossReason) {
        holding::lose(&mut self.calls, cx, reason);
        beside::with_each(&mut self.calls, |_| true, |calls| holding::lose(calls, cx, reason));
    }

    /// Does what is due, for at most `most` calls and releases; the rest stays due. Returns for how many.
    pub fn tick(&mut self, cx: &mut Context<'_, C>, most: usize) -> usize {
        ticking::tick(&mut self.calls, cx, most)
    }

    /// To be called after every event: when no call asks or holds and no release blocks the queue, the first local
    /// waiter may ask.
    pub fn settle(&mut self, cx: &mut Context<'_, C>) {
        ticking::settle(&mut self.calls, cx);
    }

    /// The next moment at which the clock changes anything here.
    pub fn due(&self) -> Moment {
        ticking::due(&self.calls)
    }

    /// Whether the renewal may be sent a little early, together with others that are due.
    pub fn can_renew_early(&self, now: Moment) -> bool {
        ticking::can_renew_early(&self.calls, now)
    }

    /// Whether no state is left.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The counts of this key.
    pub fn census(&self) -> Census {
        census::of(&self.calls)
    }

    /// All leases, lost or not; the caller knows which bodies are in the middle of a step.
    pub fn leases(&self) -> impl Iterator<Item = (Number, &C)> {
        let lost = self.calls.others().into_iter().flat_map(|others| &others.lost);
        self.calls.holders().chain(lost).map(|holder| (holder.number, &holder.caller))
    }

    /// Whether this token holds the key.
    pub fn holds(&self, token: Token) -> bool {
        self.calls.holders().any(|holder| holder.token == token)
    }

    /// Beside whom this call holds; for the simulator.
    pub fn kind_of(&self, number: Number) -> Option<Kind> {
        self.calls.holder_of(number).map(|holder| holder.held.kind)
    }

    /// The token of this call; for tests and the simulator.
    pub fn token_of(&self, number: Number) -> Option<Token> {
        let holder = self.calls.holder_of(number).map(|holder| holder.token);
        let waiter = || self.waiters().find(|waiter| waiter.number == number).map(|waiter| waiter.token);
        let released = || self.calls.releases().find(|releasing| releasing.number == number).map(|given| given.token);
        holder.or_else(waiter).or_else(released)
    }

    /// Whether this call was refused and its task does not know it yet.
    pub fn has_refused(&self, number: Number) -> bool {
        self.calls.others().is_some_and(|others| others.refused.contains_key(&number))
    }

    /// Whether any call or release has this token.
    pub fn knows(&self, token: Token) -> bool {
        let is_left = |others: &super::calls::Others<C>| {
            others.lost.iter().any(|holder| holder.token == token)
                || others.releases.iter().any(|releasing| releasing.token == token)
        };
        self.holds(token)
            || self.waiters().any(|waiter| waiter.token == token)
            || self.calls.others().is_some_and(is_left)
    }

    fn waiters(&self) -> impl Iterator<Item = &Waiter<C>> {
        let active = match &self.calls.active {
            Active::Waiter(waiter) => Some(waiter),
            _ => None,
        };
        let others = self.calls.others().into_iter();
        active.into_iter().chain(others.flat_map(|others| others.queue.iter().chain(others.passed_over.values())))
    }

    /// Shows its names, for whoever compares states.
    pub fn show_names(&mut self, names: &mut impl CallNames) {
        self.calls.show_names(names);
    }
}
