//! From an arrival to a grant: who asks the store, when, and what the answers mean.
//!
//! A task asks by its own session: for a free lock first, then with an entry, by which it stands in the store's queue.
//! Later looks are the keeper's.
//! Must stay true: a call has one question under way at most, and an answer to an earlier one counts only if it is a
//! grant.

use std::time::Duration;

use super::calls::{Active, Calls};
use super::context::{Context, Effect, How};
use super::enqueueing::{entry, fences};
use super::granting::{grant, start_over};
use super::held::{By, Granted};
use super::leaving::{refuse, seen_held};
use super::local_queue::{Due, Waiter};
use super::messages::{Action, Job, Number, Question, Refusal, SessionId, Step};
use super::waiting::{Asks, Phase};
use crate::lease::{Fences, Terms};
use crate::planted::{Mutant, planted};
use crate::store::{Acquired, Ask, Enqueue, Look, Moment, StoreError, StoreErrorKind, Token};

/// What a question was answered.
pub(super) struct Answer {
    pub(super) token: Token,
    pub(super) sent: Moment,
    pub(super) result: Result<Acquired, StoreError>,
}

/// The task asks by its own session: for a free lock first, by way of the queue if others wait for it.
pub(super) fn ask_by_task<C>(calls: &mut Calls<C>, cx: &Context<'_, C>, session: Option<SessionId>) -> Step {
    let (others, patience) = (calls.waiting_locally(), cx.known.settings.operation_timeout);
    let Some(waiter) = calls.waiter_mut() else { return Step::Stand };
    let is_queued_for = waiter.waiting.busy_from > cx.now && cx.known.contended;
    match session {
        Some(session) if waiter.waiting.is_new() && !is_queued_for => {
            Step::Send(ask(cx, waiter, Asks { session, patience, by_task: true, fences: 1 }))
        }
        Some(session) if waiter.waiting.may_look_over(session) => {
            Step::Send(look(cx, waiter, others, Asks { session, patience, by_task: true, fences: 1 }))
        }
        _ => {
            waiter.waiting.phase = Phase::MayAsk { keeper_from: cx.now };
            Step::Stand
        }
    }
}

/// A first question, by a token that was never sent.
fn ask<C>(cx: &Context<'_, C>, waiter: &mut Waiter<C>, by: Asks) -> Question {
    waiter.waiting.asks(cx.now, by);
    let Terms { ttl, kind, .. } = waiter.waiting.terms;
    Question::Ask(Ask { key: cx.key.clone(), token: waiter.token, ttl, kind })
}

/// A look, with its place in the queue if it waits and the store has one.
fn look<C>(cx: &Context<'_, C>, waiter: &mut Waiter<C>, others: usize, by: Asks) -> Question {
    let entry = entry(cx, &mut waiter.waiting, others);
    let fences = entry.as_ref().map_or_else(|| fences(cx, &waiter.waiting, others), |entry| entry.fences);
    waiter.waiting.asks(cx.now, Asks { fences, ..by });
    waiter.waiting.looked = cx.now;
    let (key, token, Terms { ttl, kind, .. }) = (cx.key.clone(), waiter.token, waiter.waiting.terms);
    match entry {
        Some(entry) => Question::Enqueue(Enqueue { key, token, ttl, fences, entry }),
        None => Question::Look(Look { key, token, ttl, fences, kind }),
    }
}

/// The keeper asks for the one whose time it is.
pub(super) fn ask_by_keeper<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let others = calls.waiting_locally();
    let Some(waiter) = calls.waiter_mut() else { return };
    let Some(keepers) = cx.known.keeper else {
        waiter.waiting.phase = Phase::Parked;
        return cx.effects.push(Effect::Park);
    };
    // The keeper answers within the operation time-out; twice that is for a store that panics.
    let by = Asks { session: keepers, patience: cx.known.settings.operation_timeout * 2, by_task: false, fences: 1 };
    if waiter.waiting.is_new() {
        let question = ask(cx, waiter, by);
        return cx.send(Job::Ask(waiter.number, question, keepers));
    }
    if waiter.waiting.wants_periodic_look(cx.now) {
        waiter.waiting.phase = Phase::PutOff;
        return cx.effects.push(Effect::WantsLook { last: waiter.waiting.looked });
    }
    look_by_keeper(cx, waiter, others, by);
}

/// One who was put off may look now; whether it still wants to, whose last look was then.
pub(super) fn look_now<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, last: Moment) -> bool {
    let others = calls.waiting_locally();
    let is_it =
        |waiter: &&mut Waiter<C>| matches!(waiter.waiting.phase, Phase::PutOff) && waiter.waiting.looked == last;
    let Some(waiter) = calls.waiter_mut().filter(is_it) else { return false };
    let Some(keepers) = cx.known.keeper else {
        waiter.waiting.phase = Phase::Parked;
        cx.effects.push(Effect::Park);
        return true;
    };
    let by = Asks { session: keepers, patience: cx.known.settings.operation_timeout * 2, by_task: false, fences: 1 };
    look_by_keeper(cx, waiter, others, by);
    true
}

/// Where the waiter hears of its grant, so that what it reads of the store's clock is that store's.
fn look_by_keeper<C>(cx: &mut Context<'_, C>, waiter: &mut Waiter<C>, others: usize, by: Asks) {
    let session = waiter.waiting.told_over.unwrap_or(by.session);
    let question = look(cx, waiter, others, Asks { session, ..by });
    cx.send(Job::Ask(waiter.number, question, session));
}

/// A question of this call's was answered.
pub(super) fn answered<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number, answer: Answer) {
    let Answer { token, sent, result } = answer;
    let Some(waiter) = calls.take_active_waiter(|waiter| (waiter.number, waiter.token) == (number, token)) else {
        if result.is_ok() {
            answered_beside_a_lease(calls, token, sent);
        }
        return;
    };
    let is_awaited = waiter.waiting.awaits(sent);
    match result {
        Ok(Acquired::Granted { fence }) => {
            let by_look = waiter.waiting.has_waited();
            let fences = Fences::block(fence, waiter.waiting.fences_asked_at(sent));
            let from = if planted(Mutant::ClockFromReply) { cx.now } else { sent };
            if grant(calls, cx, waiter, Granted { fences, from, by: By::Answer }) && by_look {
                cx.effects.push(Effect::Came(How::ByLook));
            }
        }
        Ok(Acquired::Held { for_at_most, queued_at }) if is_awaited => {
            held_elsewhere(calls, cx, waiter, sent, (for_at_most, queued_at));
        }
        Err(error) if is_awaited => troubled(calls, cx, waiter, error),
        _ => calls.active = Active::Waiter(waiter),
    }
}

/// Whatever that question did is known now, and the lease is held anyway.
fn answered_beside_a_lease<C>(calls: &mut Calls<C>, token: Token, sent: Moment) {
    let active = calls.holder().filter(|holder| holder.token == token).map(|holder| holder.number);
    let lost = calls.rest().and_then(|rest| rest.lost.iter().find(|holder| holder.token == token));
    let number = active.or(lost.map(|holder| holder.number));
    if let Some(holder) = number.and_then(|number| calls.holder_of_mut(number)) {
        holder.held.ask_answered(sent);
    }
}

/// The key is held elsewhere: for so long, and the store's clock said so, as far as it told. Nobody is active meanwhile.
pub(super) fn held_elsewhere<C>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    sent: Moment,
    (held_for, clock): (Option<Duration>, Option<u64>),
) {
    let waits_on = cx.now < waiter.waiting.busy_from;
    // Whoever came while this was asked has the answer too, if this one stays before them.
    seen_held(calls, cx, if waits_on { Moment::MAX } else { sent });
    // The first question does not learn for how long; the look that follows at once does, by whoever asked.
    waiter.waiting.held_elsewhere(cx.now, sent, clock);
    if !waits_on {
        return refuse(calls, cx, waiter, Refusal::Busy);
    }
    if let Some(held_for) = held_for {
        let is_told = clock.is_some() && waiter.waiting.told_over.is_some();
        waiter.waiting.rest(cx.now, waiter.token, held_for, is_told, cx.known.queued);
    }
    calls.active = Active::Waiter(waiter);
}

/// A question failed. Nobody is active meanwhile.
pub(super) fn troubled<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    mut waiter: Waiter<C>,
    error: StoreError,
) {
    let give_up = match error.kind() {
        StoreErrorKind::NotExecuted if waiter.waiting.may_ask_again(cx.now) => {
            calls.active = Active::Waiter(waiter);
            return;
        }
        StoreErrorKind::Refused => true,
        StoreErrorKind::Unready | StoreErrorKind::NotExecuted => waiter.waiting.busy_from <= cx.now,
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

/// The clock concerns the one who asks.
pub(super) fn tick<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let (now, trouble, held_at) = (cx.now, calls.trouble(), calls.held_at);
    let Some(waiter) = calls.waiter_mut() else { return };
    let waiting = &waiter.waiting;
    let refusal = match waiting.phase {
        _ if waiting.time_up <= now => Some(time_up(cx, waiter, trouble, held_at)),
        Phase::Resting { told_held: true, .. } | Phase::PutOff if waiting.busy_from <= now => Some(Refusal::Busy),
        _ => None,
    };
    if let Some(refusal) = refusal {
        if waiting.time_up <= now {
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
                troubled(calls, cx, waiter, StoreError::no_answer());
            }
            // The first retry is at once.
            tick(calls, cx);
        }
        Phase::MayAsk { keeper_from: from } | Phase::Resting { until: from, .. } if from <= now => {
            ask_by_keeper(calls, cx);
        }
        _ => {}
    }
}

/// The clock concerns those who wait in line: so many of them at most, and the rest stays due.
pub(super) fn tick_queue<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, most: usize) {
    for _ in 0..most {
        let Some(due) = calls.queue_mut().and_then(|queue| queue.take_due(cx.now)) else { return };
        match due {
            // Before its time is up, which may be at this very moment: that a neighbour holds is an answer.
            Due::ToWait(waiter) if calls.is_held_for_sure(cx.now) => refuse(calls, cx, waiter, Refusal::Busy),
            Due::ToWait(waiter) => {
                calls.rest_or_new(cx.spare).queue.insert(cx.now, waiter);
                ask_for_news(calls, cx.now);
            }
            Due::Altogether(waiter) => {
                let refusal = time_up(cx, &waiter, calls.trouble(), calls.held_at);
                refuse(calls, cx, waiter, refusal);
            }
        }
    }
}

/// One who does not wait, or no longer, stands in line to hear whether the key is free: if the one who asks was told a
/// while ago that it is held, it looks again.
pub(super) fn ask_for_news<C>(calls: &mut Calls<C>, now: Moment) {
    if let Some(waiter) = calls.waiter_mut()
        && !waiter.waiting.is_held_for_sure(now)
    {
        waiter.waiting.hurry_look(now);
    }
}

/// What to say to one whose time is up: `trouble` is that of the one who asks, and the key was last held at `held_at`.
fn time_up<C>(cx: &Context<'_, C>, waiter: &Waiter<C>, trouble: Option<StoreError>, held_at: Moment) -> Refusal {
    let outage = || cx.known.outage.cloned();
    let refused = outage().filter(|error| error.kind() == StoreErrorKind::Refused);
    let blocked = refused.or(trouble).or_else(outage);
    waiter.waiting.time_up_refusal(waiter.waiting.arrived <= held_at, blocked)
}

fn report_time_out<C>(cx: &mut Context<'_, C>, waiter: &Waiter<C>) {
    if let Some((_, session)) = waiter.waiting.unanswered() {
        cx.effects.push(Effect::Do(Action::TimedOut(session)));
    }
}
