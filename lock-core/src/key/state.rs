//! [`KeyState`]: one key of one client. An event in, effects out.

use std::time::Duration;

use super::asking::{self, Answer};
use super::calls::{Active, Calls, Holder};
use super::context::{Context, Effect, How};
use super::ending;
use super::giving_back::give_back;
use super::granting::{grant, start_over};
use super::held::{By, Granted};
use super::holding::{self, SentRenewal};
use super::ids::{Number, SessionId};
use super::leaving::{refuse, refuse_holder};
use super::local_queue::Waiter;
use super::messages::{ManualStep, Refusal, ReleaseReply, ReleaseStep, Step, Via};
use super::release;
use super::releasing::Releasing;
use super::waiting::{Phase, Waiting};
use crate::lease::{Fences, Terms, Wait};
use crate::planted::{Mutant, planted};
use crate::store::{Acquired, Grant, LossReason, Moment, Renewed, StoreError, Token};

/// How many of those who wait in line are looked at in one round.
const MOST_AT_ONCE: usize = 512;

/// Who holds the key, who asks for it, who waits, and which releases are unanswered.
///
/// `C` stands for the task of a call: cheap to clone, and dropping one runs no foreign code. Each event is a method, as
/// each has arguments and an answer of its own; what else is to be done it leaves in the context as effects.
/// Must stay true: at most one call asks the store, or holds; a token is used for one grant, which may pass through
/// several hands of this process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyState<C> {
    calls: Calls<C>,
}

/// How many there are of what a client counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Census {
    /// Leases that are held.
    pub held: usize,
    /// Calls that wait, or have yet to hear that they were refused.
    pub waiting: usize,
    /// Waiters that stand in the store's queue, or may.
    pub queued: usize,
    /// Grants that nobody waited for and that are being given back.
    pub handed_back: usize,
    /// Leases whose body or guard is not gone, and releases that are not confirmed.
    pub unfinished: usize,
}

impl Census {
    /// The same for all keys, of which one has changed so.
    #[must_use]
    pub fn changed(self, before: Self, after: Self) -> Self {
        let changed = |all: usize, before: usize, after: usize| all + after - before;
        Self {
            held: changed(self.held, before.held, after.held),
            waiting: changed(self.waiting, before.waiting, after.waiting),
            queued: changed(self.queued, before.queued, after.queued),
            handed_back: changed(self.handed_back, before.handed_back, after.handed_back),
            unfinished: changed(self.unfinished, before.unfinished, after.unfinished),
        }
    }
}

impl<C> Default for KeyState<C> {
    fn default() -> Self {
        Self { calls: Calls::default() }
    }
}

impl<C: Clone> KeyState<C> {
    /// A call arrives. Refused at once, it leaves nothing behind.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn arrive(
        &mut self,
        cx: &mut Context<'_, C>,
        number: Number,
        token: Token,
        terms: Terms,
        caller: C,
    ) -> Result<(), Refusal> {
        if terms.wait == Wait::AtMost(Duration::ZERO) && self.calls.is_held_for_sure(cx.now) {
            return Err(Refusal::Busy);
        }
        let waiting = Waiting::new(cx.now, terms, cx.known.settings.operation_timeout);
        let mut waiter = Waiter { number, caller, token, waiting: cx.spare.waiting.put_into(waiting) };
        if self.calls.is_free() {
            waiter.waiting.may_ask(cx.now);
            self.calls.active = Active::Waiter(waiter);
        } else {
            let wants_news = waiter.waiting.busy_from <= cx.now;
            self.calls.rest_or_new(cx.spare).queue.insert(cx.now, waiter);
            if wants_news {
                asking::ask_for_news(&mut self.calls, cx.now);
            }
        }
        Ok(())
    }

    /// What the task of a call without a lease does now; `via` is its own session, if it has one.
    pub fn next(&mut self, cx: &mut Context<'_, C>, number: Number, via: Option<Via>) -> Step {
        match &mut self.calls.active {
            Active::Waiter(waiter) if waiter.number == number => {
                waiter.waiting.is_at(via);
                return match waiter.waiting.phase {
                    Phase::MayAsk { .. } => asking::ask_by_task(&mut self.calls, cx, via.map(|via| via.session)),
                    Phase::Asking { by_task: true, .. } => Step::Sent,
                    _ => Step::Stand,
                };
            }
            Active::Holder(Holder { number: holder, held, .. }) if *holder == number => {
                if !held.is_ready() || held.over(cx.now).is_some() {
                    return Step::Stand;
                }
                held.claimed = true;
                return Step::Granted { fence: held.fences.first, until: held.until() };
            }
            _ => {}
        }
        let Some(rest) = self.calls.rest_mut() else { return Step::Stand };
        if let Some(waiter) = rest.queue.get_mut(number) {
            waiter.waiting.is_at(via);
        }
        rest.refused.remove(&number).map_or(Step::Stand, Step::Refused)
    }

    /// A question of this call's, sent for this token, was answered.
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

    /// The session is gone over which this call would have heard of its grant, and its look was not sent: it goes to its
    /// old place under a new token, whose listener is another one.
    pub fn cut_off(&mut self, cx: &mut Context<'_, C>, number: Number) {
        let is_it = |waiter: &Waiter<C>| {
            waiter.number == number && matches!(waiter.waiting.phase, Phase::Asking { by_task: false, .. })
        };
        let Some(mut waiter) = self.calls.take_active_waiter(is_it) else { return };
        waiter.waiting.phase = Phase::InLine;
        waiter.waiting.is_homeless();
        give_back(&mut self.calls, cx, &waiter);
        start_over(&mut self.calls, cx, waiter, None);
    }

    /// The store handed the key to a token, and said so over this session; whether one of ours waited for it. None if
    /// nobody has that token: anybody can forge such a message, but for the token in it.
    pub fn handed(&mut self, cx: &mut Context<'_, C>, session: SessionId, grant_: &Grant) -> Option<bool> {
        if let Some(waiter) = self.calls.take_active_waiter(|waiter| waiter.token == grant_.token) {
            if waiter.waiting.told_over != Some(session) {
                // The clock that it is counted by may be another one's; a look over the new session follows.
                let is_known = waiter.waiting.entry.is_some();
                self.calls.active = Active::Waiter(waiter);
                return is_known.then_some(true);
            }
            let counted = waiter.waiting.handed_not_before(grant_.clock).min(cx.now);
            let granted = Granted {
                fences: Fences::block(grant_.fence, grant_.fences),
                from: if planted(Mutant::HandOverFromArrival) { cx.now } else { counted },
                by: By::Message { first_lease: grant_.first_lease },
            };
            if grant(&mut self.calls, cx, waiter, granted) {
                cx.effects.push(Effect::Came(How::ByMessage));
                self.lengthen_for_heirs(cx.now);
            }
            return Some(true);
        }
        // Its grant was seen before, and no other counts.
        let is_held = self.holds(grant_.token);
        let is_lost =
            || self.calls.rest().is_some_and(|rest| rest.lost.iter().any(|holder| holder.token == grant_.token));
        // As is that of a lease that is being released; what was given back for other reasons may have come too early.
        let is_released =
            || self.calls.releases().any(|releasing| releasing.caller.is_some() && releasing.token == grant_.token);
        (is_held || is_lost() || is_released()).then_some(false)
    }

    /// A first lease is too short to pass on inside the process, and so it is renewed while its first holder has it.
    fn lengthen_for_heirs(&mut self, now: Moment) {
        let heirs = self.calls.waiting_locally();
        if let Some(Holder { held, .. }) = self.calls.holder_mut()
            && held.schedule.is_automatic()
            && held.fences.spare > 0
            && heirs > 0
        {
            held.schedule.hurry(now);
        }
    }

    /// A grant that nobody waits for, or nobody ever did, is given back, and nobody waits for that.
    pub fn hand_back(&mut self, cx: &mut Context<'_, C>, token: Token, lasts: Duration) {
        let releasing = Releasing::handed_back(cx.now, cx.number(), token, lasts);
        self.calls.rest_or_new(cx.spare).releases.push(releasing);
    }

    /// One who was put off may look now; whether it still wants to, whose last look was then.
    pub fn look_now(&mut self, cx: &mut Context<'_, C>, last: Moment) -> bool {
        asking::look_now(&mut self.calls, cx, last)
    }

    /// The task of a call that had not been granted, or had not seen its grant, is gone.
    pub fn left(&mut self, cx: &mut Context<'_, C>, number: Number) {
        if let Some(waiter) = self.calls.take_active_waiter(|waiter| waiter.number == number) {
            give_back(&mut self.calls, cx, &waiter);
            return cx.spare.waiting.keep(waiter.waiting);
        }
        if let Some(rest) = self.calls.rest_mut() {
            rest.queue.remove(number);
            rest.refused.remove(&number);
        }
        if self.calls.holder_of(number).is_some() {
            ending::end(&mut self.calls, cx, number, None);
        }
    }

    /// The renewal of a token was answered; the lease may have changed its holder since.
    pub fn renewed(
        &mut self,
        cx: &mut Context<'_, C>,
        token: Token,
        sent: Moment,
        ttl: Duration,
        answer: Result<Renewed, StoreError>,
    ) {
        holding::renewed(&mut self.calls, cx, SentRenewal { token, sent, ttl }, answer);
    }

    /// The lease's own task found its time over: answers until when it is not, or how the lease was lost.
    ///
    /// # Errors
    /// How it was lost.
    pub fn lapsed(&mut self, cx: &mut Context<'_, C>, number: Number) -> Result<Moment, LossReason> {
        holding::lapsed(&mut self.calls, cx, number)
    }

    /// A task asks for a renewal now, and for this ttl from now on.
    pub fn renew_manually(&mut self, cx: &mut Context<'_, C>, number: Number, ttl: Duration) -> Number {
        holding::renew_manually(&mut self.calls, cx, number, ttl)
    }

    /// What has become of it.
    pub fn manual_next(&mut self, number: Number, renewal: Number) -> ManualStep {
        holding::manual_next(&mut self.calls, number, renewal)
    }

    /// The task that asked for it waits no more.
    pub fn manual_left(&mut self, number: Number, renewal: Number) {
        holding::manual_left(&mut self.calls, number, renewal);
    }

    /// A lease ends: its body or guard is gone. A task awaits the release until `wanted_until`, or nobody does.
    pub fn end(&mut self, cx: &mut Context<'_, C>, number: Number, wanted_until: Option<Moment>) {
        ending::end(&mut self.calls, cx, number, wanted_until);
    }

    /// Leaves a lease to its ttl, because the process ends in the middle of a step of its body.
    pub fn forget(&mut self, number: Number) {
        if self.calls.take_active_holder(|holder| holder.number == number).is_none() {
            self.calls.take_lost(number);
        }
    }

    /// What the task that awaits a release does now; `session` is its own, if it has one.
    pub fn release_next(&mut self, cx: &mut Context<'_, C>, number: Number, session: Option<SessionId>) -> ReleaseStep {
        release::next(&mut self.calls, cx, number, session)
    }

    /// The task that awaited this release is gone.
    pub fn release_left(&mut self, cx: &mut Context<'_, C>, number: Number) {
        release::left(&mut self.calls, cx, number);
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

    /// The keeper has a session again: what waited for one is due, and whoever stands in the store's queue and would have
    /// heard over the keeper's looks whether a grant was missed.
    pub fn connected(&mut self, cx: &mut Context<'_, C>) {
        let (now, told_over) = (cx.now, cx.told_over_keepers());
        match &mut self.calls.active {
            Active::Waiter(Waiter { waiting, .. }) => {
                let is_the_keepers = |listener| listener == cx.known.settings.listener;
                if waiting.entry.as_ref().is_some_and(|(entry, _)| is_the_keepers(entry.listener)) {
                    waiting.look_again(now, told_over);
                }
                waiting.unpark(now);
            }
            Active::Holder(Holder { held, .. }) => held.unpark(now),
            Active::Nobody => {}
        }
        for releasing in self.calls.rest_mut().into_iter().flat_map(|rest| &mut rest.releases) {
            releasing.unpark(now);
        }
    }

    /// A runtime's session is gone: who would have heard of a grant over it looks at once, finds it gone, and goes to its
    /// old place under another name. Until then the store counts it as gone.
    pub fn session_gone(&mut self, cx: &mut Context<'_, C>, session: SessionId) {
        if let Some(waiter) = self.calls.waiter_mut()
            && waiter.waiting.told_over == Some(session)
        {
            waiter.waiting.hurry_look(cx.now);
        }
    }

    /// Refuses everyone who waits. Releases that are repeated, in case that a question comes late, are repeated now; the
    /// rest is left to the ttl.
    pub fn close(&mut self, cx: &mut Context<'_, C>) {
        let unseen = |holder: &Holder<C>| !holder.held.claimed;
        if let Some(waiter) = self.calls.take_active_waiter(|_| true) {
            refuse(&mut self.calls, cx, waiter, Refusal::ShuttingDown);
        } else if let Some(holder) = self.calls.take_active_holder(unseen) {
            refuse_holder(&mut self.calls, cx, holder, Refusal::ShuttingDown);
        }
        let waiting = self.calls.queue_mut().map(super::local_queue::LocalQueue::take_all);
        for waiter in waiting.into_iter().flatten() {
            refuse(&mut self.calls, cx, waiter, Refusal::ShuttingDown);
        }
        for releasing in self.calls.rest_mut().into_iter().flat_map(|rest| &mut rest.releases) {
            releasing.close(cx.now);
        }
    }

    /// The keeper sends what tasks have yet to send, or sent: nobody may poll them any more.
    pub fn take_over_releases(&mut self, cx: &mut Context<'_, C>) {
        let releases: Vec<Number> = self.calls.releases().map(|releasing| releasing.number).collect();
        for number in releases {
            if self.calls.release_mut(number).is_some_and(|releasing| releasing.take_over(cx.now)) {
                release::abandon_rotation(&mut self.calls, cx, number);
            }
        }
    }

    /// The lease is lost, if there is one.
    pub fn lose(&mut self, cx: &mut Context<'_, C>, reason: LossReason) {
        holding::lose(&mut self.calls, cx, reason);
    }

    /// What is due; if that is very much, a part of it, and the rest stays due.
    pub fn tick(&mut self, cx: &mut Context<'_, C>) {
        let mut newest = Number(*cx.numbers);
        self.tick_releases(cx, |number| number <= newest);
        let is_renewed_early = self.goes_along(cx.now);
        match &self.calls.active {
            Active::Waiter(waiter) if waiter.waiting.due() <= cx.now => asking::tick(&mut self.calls, cx),
            Active::Holder(holder) if holder.held.due() <= cx.now || is_renewed_early => {
                holding::tick(&mut self.calls, cx);
            }
            _ => {}
        }
        self.settle(cx);
        asking::tick_queue(&mut self.calls, cx, MOST_AT_ONCE);
        // What was given back meanwhile.
        while newest < Number(*cx.numbers) {
            let last = std::mem::replace(&mut newest, Number(*cx.numbers));
            self.tick_releases(cx, |number| last < number && number <= newest);
        }
    }

    /// Each once, of those that are due: one that stays so is looked at again in the next round.
    fn tick_releases(&mut self, cx: &mut Context<'_, C>, is_one: impl Fn(Number) -> bool) {
        let is_due = |releasing: &&Releasing<C>| is_one(releasing.number) && releasing.due() <= cx.now;
        let due: Vec<Number> = self.calls.releases().filter(is_due).map(|releasing| releasing.number).collect();
        for number in due {
            release::tick(&mut self.calls, cx, number);
        }
    }

    /// To be called after every event: if nobody asks or holds any more, and no release has yet to be answered, the next
    /// in line may ask.
    pub fn settle(&mut self, cx: &mut Context<'_, C>) {
        if self.calls.is_free()
            && let Some(mut next) = self.calls.queue_mut().and_then(super::local_queue::LocalQueue::take_first)
        {
            next.waiting.may_ask(cx.now);
            cx.wake(next.caller.clone());
            self.calls.active = Active::Waiter(next);
        }
        self.calls.tidy(cx.spare);
    }

    /// When the clock may next have something to say about it.
    pub fn due(&self) -> Moment {
        let active = match &self.calls.active {
            Active::Waiter(waiter) => waiter.waiting.due(),
            Active::Holder(holder) => holder.held.due(),
            Active::Nobody => Moment::MAX,
        };
        let Some(rest) = self.calls.rest() else { return active };
        let releases = rest.releases.iter().map(Releasing::due).min().unwrap_or(Moment::MAX);
        active.min(rest.queue.due()).min(releases)
    }

    /// A renewal that is nearly due goes out with those that are.
    pub fn goes_along(&self, now: Moment) -> bool {
        let renewal = |holder: &Holder<C>| {
            let held = &holder.held;
            held.schedule.due() == held.due() && held.schedule.wants(now)
        };
        self.calls.holder().is_some_and(renewal)
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many there are of what a client counts.
    pub fn census(&self) -> Census {
        let (held, asks, queued) = match &self.calls.active {
            Active::Nobody => (0, 0, 0),
            Active::Waiter(waiter) => (0, 1, usize::from(waiter.waiting.entry.is_some())),
            Active::Holder(_) => (1, 0, 0),
        };
        let Some(rest) = self.calls.rest() else {
            return Census { held, waiting: asks, queued, handed_back: 0, unfinished: held };
        };
        let over = rest.releases.iter().filter(|releasing| releasing.is_over()).count();
        Census {
            held,
            waiting: asks + rest.queue.len() + rest.refused.len(),
            queued,
            handed_back: rest.releases.iter().filter(|releasing| releasing.is_handed_back()).count(),
            unfinished: held + rest.lost.len() + rest.releases.len() - over,
        }
    }

    /// The leases, lost or not, for whoever can tell which of their bodies is in the middle of a step.
    pub fn leases(&self) -> impl Iterator<Item = (Number, &C)> {
        let lost = self.calls.rest().into_iter().flat_map(|rest| &rest.lost);
        self.calls.holder().into_iter().chain(lost).map(|holder| (holder.number, &holder.caller))
    }

    /// Whether it is held by this token.
    pub fn holds(&self, token: Token) -> bool {
        self.calls.holder().is_some_and(|holder| holder.token == token)
    }

    /// The token of this call, for whoever watches.
    pub fn token_of(&self, number: Number) -> Option<Token> {
        let holder = self.calls.holder_of(number).map(|holder| holder.token);
        let waiter = || self.waiters().find(|waiter| waiter.number == number).map(|waiter| waiter.token);
        let released = || self.calls.releases().find(|releasing| releasing.number == number).map(|given| given.token);
        holder.or_else(waiter).or_else(released)
    }

    /// Whether this call was refused; its task may have yet to hear.
    pub fn has_refused(&self, number: Number) -> bool {
        self.calls.rest().is_some_and(|rest| rest.refused.contains_key(&number))
    }

    /// Whether anything has this token.
    pub fn knows(&self, token: Token) -> bool {
        let is_left = |rest: &super::calls::Rest<C>| {
            rest.lost.iter().any(|holder| holder.token == token)
                || rest.releases.iter().any(|releasing| releasing.token == token)
        };
        self.holds(token)
            || self.waiters().any(|waiter| waiter.token == token)
            || self.calls.rest().is_some_and(is_left)
    }

    fn waiters(&self) -> impl Iterator<Item = &Waiter<C>> {
        let active = match &self.calls.active {
            Active::Waiter(waiter) => Some(waiter),
            _ => None,
        };
        active.into_iter().chain(self.calls.queue().into_iter().flat_map(super::local_queue::LocalQueue::iter))
    }
}
