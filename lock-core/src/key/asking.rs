//! From arrival to grant: who asks the store, when, and what the answers mean.
//!
//! A task sends its first requests itself, over its runtime's session: one for a free lock, then one with an entry for
//! the store's queue. Later looks are sent by the keeper.
//! Must stay true: a call has at most one request in flight, and the answer to an earlier one counts only if it is a
//! grant.

use std::time::Duration;

use super::calls::{Active, Calls};
use super::context::{Context, Effect, GrantedBy};
use super::doubt::Doubt;
use super::enqueueing::{entry, fences, queues};
use super::granting::{grant, start_over};
use super::held::{By, Granted};
use super::ids::{Number, SessionId};
use super::leaving::{note_held, recheck_held, refuse};
use super::local_queue::{Due, LocalQueue, Waiter};
use super::messages::{AcquireRequest, Job, Refusal, Step};
use super::phase::Phase;
use super::unseen;
use super::waiting::Asker;
use crate::lease::{Fences, Terms};
use crate::planted::{Mutant, planted};
use crate::store::{Acquired, Ask, ClockReading, Enqueue, Kind, Look, Moment, StoreError, StoreErrorKind, Token};

/// The answer to a request.
pub(super) struct Answer {
    pub(super) token: Token,
    pub(super) sent: Moment,
    pub(super) result: Result<Acquired, StoreError>,
}

/// The task asks over its runtime's session: for a free lock first, or for a place in the queue if others are known to
/// wait.
pub(super) fn ask_by_task<C>(calls: &mut Calls<C>, cx: &Context<'_, C>, session: Option<SessionId>) -> Step {
    let (local_waiters, timeout) = (calls.waiting_locally(), cx.known.settings.operation_timeout);
    let Some(waiter) = calls.waiter_mut() else { return Step::Pending };
    let looks_first = looks_first(cx, waiter);
    let by = |session| Asker { session, timeout, by_task: true, fences: 1 };
    let request = match session {
        Some(session) if waiter.waiting.never_asked() && !looks_first => ask(cx, waiter, by(session)),
        Some(session) if waiter.waiting.may_look_over(session) => look(cx, waiter, local_waiters, by(session)),
        _ => {
            waiter.waiting.phase = Phase::MayAsk { keeper_from: cx.now };
            return Step::Pending;
        }
    };
    waiter.waiting.overtake_at = cx.now + waiter.waiting.patience(cx.known.first_lease) / 2;
    Step::Send(request)
}

/// Whether a call that waits looks at once: others are known to wait, or it is of a kind for which there is no faster
/// first request.
fn looks_first<C>(cx: &Context<'_, C>, waiter: &Waiter<C>) -> bool {
    (waiter.waiting.wait_until > cx.now && cx.known.contended) || joins_a_set(cx, waiter)
}

fn joins_a_set<C>(cx: &Context<'_, C>, waiter: &Waiter<C>) -> bool {
    waiter.waiting.terms.kind != Kind::Exclusive && waiter.waiting.wait_until > cx.now && queues(cx, &waiter.waiting)
}

/// The task's request has no answer: the task may not have been polled since, or its runtime, and the answer lies
/// there; or the session is silent. The keeper asks for the same token, and the task is woken to look.
fn overtake<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let Some(waiter) = calls.waiter_mut() else { return };
    if cx.known.keeper.is_none() {
        // As soon as the keeper has a session.
        waiter.waiting.overtake_at = Moment::MAX;
        return cx.effects.push(Effect::Park);
    }
    if waiter.waiting.overtake_at + waiter.waiting.patience(cx.known.first_lease) / 2 <= cx.now {
        // The program stood still: nobody has asked for the whole time.
        waiter.waiting.come_back(cx.now, cx.known.settings.operation_timeout);
    }
    waiter.waiting.overtake();
    cx.wake(waiter.caller.clone());
    ask_by_keeper(calls, cx);
}

/// The first request for a token.
fn ask<C>(cx: &Context<'_, C>, waiter: &mut Waiter<C>, by: Asker) -> AcquireRequest {
    waiter.waiting.request_sent(cx.now, by);
    let Terms { ttl, kind, .. } = waiter.waiting.terms;
    // A call that waits learns it from its look.
    let time_left = waiter.waiting.wait_until <= cx.now;
    AcquireRequest::Ask(Ask { key: cx.key.clone(), token: waiter.token, ttl, kind, time_left })
}

/// A look, with an entry for the store's queue if the call waits and the store has a queue.
fn look<C>(cx: &Context<'_, C>, waiter: &mut Waiter<C>, local_waiters: usize, by: Asker) -> AcquireRequest {
    let entry = entry(cx, &mut waiter.waiting, local_waiters);
    let fences = entry.as_ref().map_or_else(|| fences(cx, &waiter.waiting, local_waiters), |entry| entry.fences);
    waiter.waiting.request_sent(cx.now, Asker { fences, ..by });
    waiter.waiting.last_look = cx.now;
    let (key, token, Terms { ttl, kind, .. }) = (cx.key.clone(), waiter.token, waiter.waiting.terms);
    match entry {
        Some(entry) => AcquireRequest::Enqueue(Box::new(Enqueue { key, token, ttl, fences, entry })),
        None => AcquireRequest::Look(Look { key, token, ttl, fences, kind }),
    }
}

/// The keeper asks for the active waiter.
pub(super) fn ask_by_keeper<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let local_waiters = calls.waiting_locally();
    let Some(waiter) = calls.waiter_mut() else { return };
    let Some(keepers) = cx.known.keeper else {
        waiter.waiting.phase = Phase::Parked;
        return cx.effects.push(Effect::Park);
    };
    // The keeper answers within the operation time-out; twice that covers a store that panics.
    let by = Asker { session: keepers, timeout: cx.known.settings.operation_timeout * 2, by_task: false, fences: 1 };
    if waiter.waiting.never_asked() && !joins_a_set(cx, waiter) {
        let request = ask(cx, waiter, by);
        return cx.send(Job::Ask(waiter.number, request, keepers));
    }
    if waiter.waiting.may_defer_look(cx.now) {
        waiter.waiting.phase = Phase::Deferred;
        return cx.effects.push(Effect::WantsLook { last: waiter.waiting.last_look });
    }
    look_by_keeper(cx, waiter, local_waiters, by);
}

/// A deferred look may be sent now; returns whether the waiter that last looked at `last` still needs it.
pub(super) fn resume_look<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, last: Moment) -> bool {
    let local_waiters = calls.waiting_locally();
    let is_it =
        |waiter: &&mut Waiter<C>| matches!(waiter.waiting.phase, Phase::Deferred) && waiter.waiting.last_look == last;
    let Some(waiter) = calls.waiter_mut().filter(is_it) else { return false };
    let Some(keepers) = cx.known.keeper else {
        waiter.waiting.phase = Phase::Parked;
        cx.effects.push(Effect::Park);
        return true;
    };
    let by = Asker { session: keepers, timeout: cx.known.settings.operation_timeout * 2, by_task: false, fences: 1 };
    look_by_keeper(cx, waiter, local_waiters, by);
    true
}

/// Over the session that tells the waiter of its grant, so that the clock reading is of the server that grants.
fn look_by_keeper<C>(cx: &mut Context<'_, C>, waiter: &mut Waiter<C>, local_waiters: usize, by: Asker) {
    let waiting = &waiter.waiting;
    // Where the last request had no answer, nobody may listen, or poll the runtime.
    let is_silent = waiting.overtaken.is_some() || waiting.has_failed();
    let session = waiting.push_session.filter(|_| !is_silent).unwrap_or(by.session);
    let request = look(cx, waiter, local_waiters, Asker { session, ..by });
    cx.send(Job::Ask(waiter.number, request, session));
}

/// A request of this call was answered.
pub(super) fn answered<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number, answer: Answer) {
    let Answer { token, sent, result } = answer;
    let Some(mut waiter) = calls.take_active_waiter(|waiter| (waiter.number, waiter.token) == (number, token)) else {
        if let Ok(answer) = result {
            answered_for_holder(calls, token, sent);
            unseen::answered_late(calls, cx, number, token, matches!(answer, Acquired::Granted { .. }));
        }
        return;
    };
    let is_awaited = waiter.waiting.awaits(sent);
    let is_late = waiter.waiting.overtaken.take_if(|overtaken| overtaken.sent == sent).is_some();
    if is_awaited && !is_late {
        report_silence(cx, waiter.waiting.keeper_answered());
    }
    match result {
        Ok(Acquired::Granted { fence }) => {
            let (by_look, unheard) = (waiter.waiting.has_waited(), waiter.waiting.awaits_message());
            let fences = Fences::block(fence, waiter.waiting.fences_asked_at(sent));
            let from = if planted(Mutant::ClockFromReply) { cx.now } else { sent };
            if grant(calls, cx, waiter, Granted { fences, from, by: By::Answer }) && by_look {
                cx.effects.push(Effect::Granted(GrantedBy::ByLook));
                cx.effects.extend(unheard.map(Effect::NotHeard));
            }
        }
        Ok(Acquired::Held { for_at_most, queued_at }) if is_awaited => {
            held_elsewhere(calls, cx, waiter, sent, (for_at_most, queued_at));
        }
        Ok(Acquired::Done { again_in }) if is_awaited => is_done(calls, cx, waiter, (sent, again_in)),
        Err(error) if is_awaited => request_failed(calls, cx, waiter, error),
        _ => calls.active = Active::Waiter(waiter),
    }
}

/// The answer settles what that request did; the lease is held either way.
fn answered_for_holder<C>(calls: &mut Calls<C>, token: Token, sent: Moment) {
    let active = calls.holders().find(|holder| holder.token == token).map(|holder| holder.number);
    let lost = calls.others().and_then(|others| others.lost.iter().find(|holder| holder.token == token));
    let number = active.or(lost.map(|holder| holder.number));
    if let Some(holder) = number.and_then(|number| calls.holder_of_mut(number)) {
        holder.held.ask_answered(sent);
    }
}

/// Another process holds the key, for at most so long; the second part is the store's clock, if it gave one. Called
/// with no active call.
pub(super) fn held_elsewhere<C>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    sent: Moment,
    (held_for, clock): (Option<Duration>, Option<ClockReading>),
) {
    let still_waits = cx.now < waiter.waiting.wait_until;
    // The first request of a call that waits does not learn the ttl that is left; the same sender looks at once and
    // does.
    waiter.waiting.held_elsewhere(cx.now, sent, (held_for, clock));
    let free_at = waiter.waiting.free_at(cx.now);
    // Calls that arrived before the request was sent share its answer; all do if this call stays ahead of them.
    // One of another kind may find room behind one that gives up.
    let kind = waiter.waiting.terms.kind;
    note_held(calls, cx, (if still_waits { Moment::MAX } else { sent }, free_at), |of| still_waits || of == kind);
    if !still_waits {
        return refuse(calls, cx, waiter, Refusal::Busy { free_at });
    }
    if let Some(held_for) = held_for {
        let has_push = clock.is_some() && waiter.waiting.push_session.is_some();
        waiter.waiting.rest(cx.now, waiter.token, held_for, has_push, cx.known.queued);
    }
    calls.active = Active::Waiter(waiter);
}

/// What was to be done is done: nobody here waits any longer. Called with no active call.
fn is_done<C>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    (sent, again_in): (Moment, Duration),
) {
    let until = cx.now + again_in;
    waiter.waiting.held_elsewhere(cx.now, sent, (Some(again_in), None));
    if waiter.waiting.in_doubt() == Doubt::Nowhere {
        // The store has taken it out of the queue.
        waiter.waiting.entry = None;
    }
    let queued = calls.queue_mut().map(LocalQueue::take_all);
    for waiter in std::iter::once(waiter).chain(queued.into_iter().flatten()) {
        refuse(calls, cx, waiter, Refusal::Done { until });
    }
}

/// A request failed. Called with no active call.
pub(super) fn request_failed<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    error: StoreError,
) {
    let give_up = match error.kind() {
        StoreErrorKind::NotExecuted if waiter.waiting.resend_not_executed(cx.now) => {
            calls.active = Active::Waiter(waiter);
            return;
        }
        StoreErrorKind::Refused => true,
        StoreErrorKind::Unready | StoreErrorKind::NotExecuted => waiter.waiting.wait_until <= cx.now,
        StoreErrorKind::Disconnected => false,
    };
    waiter.waiting.failed(cx.now, waiter.token, error.clone());
    if give_up {
        refuse(calls, cx, waiter, Refusal::Unavailable(error));
    } else if planted(Mutant::RetryWithNewToken) {
        start_over(calls, cx, waiter, Some(error));
    } else {
        calls.active = Active::Waiter(waiter);
    }
}

/// The clock of the active waiter.
pub(super) fn tick<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let (now, known) = (cx.now, last_known(calls, cx));
    let Some(waiter) = calls.waiter_mut() else { return };
    let waiting = &waiter.waiting;
    let refusal = match waiting.phase {
        _ if waiting.is_to_be_overtaken(now) => return overtake(calls, cx),
        _ if waiting.give_up_at <= now => Some(give_up_refusal(cx, waiter, known)),
        Phase::Resting { found_held: true, .. } | Phase::Deferred if waiting.wait_until <= now => {
            Some(Refusal::Busy { free_at: waiting.free_at(now) })
        }
        _ => None,
    };
    if let Some(refusal) = refusal {
        if waiting.give_up_at <= now {
            report_time_out(cx, waiter);
        }
        if let Some(waiter) = calls.take_active_waiter(|_| true) {
            refuse(calls, cx, waiter, refusal);
        }
        return;
    }
    match waiting.phase {
        Phase::Asking { fails_at, .. } if fails_at <= now => {
            report_time_out(cx, waiter);
            if let Some(waiter) = calls.take_active_waiter(|_| true) {
                request_failed(calls, cx, waiter, StoreError::no_answer());
            }
            // The first retry is immediate.
            tick(calls, cx);
        }
        Phase::MayAsk { keeper_from: from } | Phase::Resting { until: from, .. } if from <= now => {
            ask_by_keeper(calls, cx);
        }
        _ => {}
    }
}

/// The clock of the local queue, for at most `most` of its waiters; the rest stays due. Returns for how many.
pub(super) fn tick_queue<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, most: usize) -> usize {
    for served in 0..most {
        let Some(due) = calls.queue_mut().and_then(|queue| queue.take_due(cx.now)) else { return served };
        let free_at = calls.free_at(cx.now);
        match due {
            // Checked before `give_up_at`, which may be the same moment: a key that is held here is a definite answer.
            Due::WaitOver(waiter) if calls.is_known_held(cx.now, waiter.waiting.terms.kind) => {
                refuse(calls, cx, waiter, Refusal::Busy { free_at });
            }
            Due::WaitOver(waiter) => {
                calls.others_or_new(cx.spare).queue.insert(cx.now, waiter);
                recheck_held(calls, cx.now);
            }
            Due::GiveUp(waiter) => {
                let refusal = give_up_refusal(cx, &waiter, last_known(calls, cx));
                refuse(calls, cx, waiter, refusal);
            }
        }
    }
    most
}

/// What is known of a key to those who give up: the active waiter's last error, when the key was last known to be held,
/// and until when it is at most.
type LastKnown = (Option<StoreError>, Moment, Option<Moment>);

fn last_known<C>(calls: &Calls<C>, cx: &Context<'_, C>) -> LastKnown {
    (calls.last_error(), calls.last_known_held, calls.free_at(cx.now))
}

/// The refusal of a call that gives up.
fn give_up_refusal<C>(cx: &Context<'_, C>, waiter: &Waiter<C>, known: LastKnown) -> Refusal {
    let (last_error, last_known_held, free_at) = known;
    let outage = || cx.known.outage.cloned();
    let refused = outage().filter(|error| error.kind() == StoreErrorKind::Refused);
    let blocked = refused.or(last_error).or_else(outage);
    waiter.waiting.give_up_refusal(waiter.waiting.arrived <= last_known_held, blocked, free_at)
}

/// A request in flight that has had its time counts against its session; one that was sent a moment ago does not.
fn report_time_out<C>(cx: &mut Context<'_, C>, waiter: &Waiter<C>) {
    let waiting = &waiter.waiting;
    // One that was overtaken was sent before the one in flight, and had no answer either.
    let first = |sent: Moment| waiting.overtaken.as_ref().map_or(sent, |overtaken| sent.min(overtaken.sent));
    let has_had_its_time = |sent| first(sent) + cx.known.settings.operation_timeout / 2 <= cx.now;
    let silent = waiting.unanswered().filter(|&(sent, _)| has_had_its_time(sent));
    report_silence(cx, silent.map(|(_, session)| session));
}

/// This session had no answer in time.
pub(super) fn report_silence<C>(cx: &mut Context<'_, C>, session: Option<SessionId>) {
    if let Some(session) = session {
        cx.timed_out(session);
    }
}
