//! A held lease: automatic and manual renewals, and how it is lost.
//!
//! Must stay true: an error is not a loss; a loss is final; a grant that its task has not seen is not renewed.

use std::time::Duration;

use super::asking::report_silence;
use super::calls::Calls;
use super::context::{Context, Effect};
use super::granting::requeue_next_holder;
use super::ids::Number;
use super::leaving::{note_was_held, refuse_holder};
use super::manual::ManualRenewals;
use super::messages::{Action, Job, ManualStep, Refusal, Step};
use super::unseen;
use crate::planted::{Mutant, planted};
use crate::store::{Downgrade, LossReason, Moment, Renewal, Renewed, StoreError, StoreErrorKind, Token};

/// A renewal that was sent.
pub(super) struct SentRenewal {
    pub(super) token: Token,
    pub(super) sent: Moment,
    pub(super) ttl: Duration,
}

/// The next step of the active call, if it holds.
pub(super) fn next<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) -> Option<Step> {
    let held = &mut calls.holder_mut().filter(|holder| holder.number == number)?.held;
    if !held.ready || held.ended_by_clock(cx.now).is_some() {
        return Some(Step::Pending);
    }
    if held.is_seen_late(cx.now, cx.known.first_lease.patience()) {
        held.renew_first(cx.now);
        return Some(Step::Pending);
    }
    let granted = Step::Granted { fence: held.fences.first, until: held.until() };
    if let Some(mut waiting) = held.waiting.take() {
        report_silence(cx, waiting.polled_without_answer());
        cx.spare.waiting.keep(waiting);
    }
    Some(granted)
}

/// A renewal was answered; another call may hold the lease by now.
pub(super) fn renewed<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    SentRenewal { token, sent, ttl }: SentRenewal,
    answer: Result<Renewed, StoreError>,
) {
    let (now, rhythm) = (cx.now, cx.known.rhythm);
    let Some(holder) = calls.holder_mut().filter(|holder| holder.token == token) else { return };
    let held = &mut holder.held;
    if let Some(reason) = held.ended_by_clock(now) {
        // A late "yes" never revives a lease.
        return end_by_clock(calls, cx, reason);
    }
    let answer = held.answered(sent, answer);
    let sent = if planted(Mutant::ClockFromReply) { now } else { sent };
    match answer {
        Err(_) if planted(Mutant::FailedRenewalCounts) => {
            held.renewed(sent, ttl);
            held.schedule.succeeded(now, held.ttl, rhythm);
        }
        Ok(Renewed::Renewed) => {
            if std::mem::take(&mut held.first_lease) {
                cx.effects.push(Effect::FirstLeaseLongEnough);
            }
            held.renewed(sent, ttl);
            held.schedule.succeeded(now, held.ttl, rhythm);
            if let Some(waiting) = held.waiting.as_ref().filter(|waiting| !held.ready && waiting.token_since <= sent) {
                let (terms, patience) = (waiting.terms, waiting.patience(cx.known.first_lease));
                held.begin(now, &terms);
                held.look_by = now + patience;
                cx.wake(holder.caller.clone());
            } else if held.ready {
                cx.effects.push(Effect::Do(Action::Extend(holder.caller.clone(), held.until())));
                if held.asks_for_a_poll(now) {
                    cx.effects.push(Effect::Do(Action::ShowPolled(holder.caller.clone(), held.ttl)));
                }
                update_manual(calls, cx, |renewals| renewals.confirmed(sent, ttl));
                renew_again_for_manual(calls, now);
            } else {
                held.schedule.renew_now(now);
            }
        }
        Ok(Renewed::NotOurs) => not_ours(calls, cx),
        Err(error) => {
            held.schedule.failed(now, sent, held.ttl, rhythm);
            let for_good = error.kind() == StoreErrorKind::Refused;
            update_manual(calls, cx, |renewals| renewals.failed(&error, for_good));
        }
    }
}

/// The store says that the token does not hold the key.
fn not_ours<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    end_lease(calls, cx, LossReason::Stolen);
}

/// The clock has ended the lease.
fn end_by_clock<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, reason: LossReason) {
    end_lease(calls, cx, reason);
}

/// Ends the lease: a next holder that has not begun goes back to waiting, a task that has not seen the grant is passed
/// over, and a body loses the lease.
fn end_lease<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, reason: LossReason) {
    let Some(holder) = calls.take_active_holder(|holder| !holder.held.is_claimed()) else {
        return lose(calls, cx, reason);
    };
    if holder.held.ready {
        unseen::lease_ended(calls, cx, holder);
    } else {
        requeue_next_holder(calls, cx, holder);
    }
}

/// The lease is lost for good; it is released when its body has been dropped.
pub(super) fn lose<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, reason: LossReason) {
    let Some(mut holder) = calls.take_active_holder(|_| true) else { return };
    holder.held.lost = Some(reason);
    if holder.held.first_lease {
        cx.effects.push(Effect::FirstLeaseTooShort);
    }
    cx.effects.push(Effect::Do(Action::Lose(holder.caller.clone(), reason)));
    note_was_held(calls, cx);
    calls.others_or_new(cx.spare).lost.push(holder);
}

/// The lease's own task found that its time is over: returns the new deadline if it was extended, or how it was lost.
pub(super) fn lapsed<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
) -> Result<Moment, LossReason> {
    let Some(holder) = calls.holder_of(number) else { return Err(LossReason::Expired) };
    match (holder.held.lost, holder.held.ended_by_clock(cx.now)) {
        (Some(reason), _) => Err(reason),
        (None, Some(reason)) => {
            lose(calls, cx, reason);
            Err(reason)
        }
        (None, None) => Ok(holder.held.until()),
    }
}

/// The clock of the active holder.
pub(super) fn tick<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let (now, known) = (cx.now, cx.known);
    let Some(holder) = calls.holder_mut() else { return };
    let held = &mut holder.held;
    if let Some(reason) = held.ended_by_clock(now) {
        return end_by_clock(calls, cx, reason);
    }
    if held.is_passed_over(now) {
        return unseen::pass_over(calls, cx);
    }
    if let Some(waiting) = held.waiting.as_ref().filter(|waiting| !held.ready && waiting.give_up_at <= now) {
        // Another local call held the key until a moment ago, so it was busy, unless the store had time to answer
        // since.
        let had_time = waiting.token_since + known.settings.operation_timeout <= now;
        let error = known.outage.cloned().or_else(|| had_time.then(StoreError::no_answer));
        if let Some(holder) = calls.take_active_holder(|_| true) {
            let free_at = Some(holder.held.expires_at());
            refuse_holder(calls, cx, holder, error.map_or(Refusal::Busy { free_at }, Refusal::Unavailable));
        }
        return;
    }
    if held.is_half_over(now) {
        cx.effects.push(Effect::Do(Action::HalfOver(holder.caller.clone(), held.ttl / 2)));
    }
    if held.schedule.timed_out(now) {
        held.schedule.give_up(now, held.ttl, known.rhythm);
    }
    if held.is_kept_alive() && held.schedule.can_send(now) {
        if !held.needs_renewal() {
            // The failed renewal was the previous holder's, or is no longer awaited.
            held.schedule.park();
        } else if known.carrier.is_some() {
            held.schedule.sent(now, held.ttl);
            let ttl = held.next_ttl();
            held.longest_ttl = held.longest_ttl.max(ttl);
            let (key, token, kind) = (cx.key.clone(), holder.token, held.kind);
            let job = if held.is_to_be_downgraded() {
                Job::Downgrade(Downgrade { key, token, ttl })
            } else {
                Job::Renew(Renewal { key, token, ttl, kind })
            };
            cx.effects.push(Effect::Send(job));
        } else {
            held.schedule.park();
            cx.effects.push(Effect::Park);
        }
    }
    update_manual(calls, cx, |renewals| renewals.give_up(now));
}

/// A task asks for a renewal now, with this ttl from now on.
pub(super) fn renew_manually<C>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    ttl: Duration,
) -> Number {
    let renewal = cx.number();
    let until = cx.now + cx.known.settings.operation_timeout;
    if let Some(holder) = calls.holder_mut().filter(|holder| holder.number == number) {
        holder.held.ttl = ttl;
        holder.held.manual.get_or_insert_default().ask(cx.now, renewal, ttl, until);
        holder.held.schedule.renew_now(cx.now);
    }
    renewal
}

/// A task makes its lease a shared one. Whatever becomes of the request, others may hold beside it from now on.
pub(super) fn downgrade<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) -> Number {
    let Some(holder) = calls.holder_mut().filter(|holder| holder.number == number) else { return cx.number() };
    holder.held.downgrade(cx.now);
    let ttl = holder.held.ttl;
    renew_manually(calls, cx, number, ttl)
}

/// What has become of a manual renewal.
pub(super) fn manual_next<C>(calls: &mut Calls<C>, number: Number, renewal: Number) -> ManualStep {
    let Some(holder) = calls.holder_of_mut(number) else { return ManualStep::Lost(LossReason::Expired) };
    let held = &mut holder.held;
    if let Some(reason) = held.lost {
        return ManualStep::Lost(reason);
    }
    let Some(renewals) = held.manual.as_mut().filter(|renewals| !renewals.awaits(renewal)) else {
        return ManualStep::Pending;
    };
    let outcome = renewals.take(renewal);
    held.manual.take_if(|renewals| renewals.is_empty());
    match outcome {
        None => ManualStep::Pending,
        Some(Ok(())) => ManualStep::Renewed,
        Some(Err(error)) => ManualStep::Failed(error),
    }
}

/// The task that asked for a manual renewal no longer awaits it.
pub(super) fn manual_cancelled<C>(calls: &mut Calls<C>, number: Number, renewal: Number) {
    if let Some(holder) = calls.holder_of_mut(number)
        && let Some(renewals) = &mut holder.held.manual
    {
        renewals.take(renewal);
        holder.held.manual.take_if(|renewals| renewals.is_empty());
    }
}

/// Updates the manual renewals, and wakes their tasks if one of them has an outcome.
fn update_manual<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    change: impl FnOnce(&mut ManualRenewals) -> bool,
) {
    if let Some(holder) = calls.holder_mut()
        && holder.held.manual.as_mut().is_some_and(|renewals| change(renewals))
    {
        cx.wake(holder.caller.clone());
    }
}

/// A manual renewal is not satisfied by a renewal that was sent before it.
fn renew_again_for_manual<C>(calls: &mut Calls<C>, now: Moment) {
    if let Some(holder) = calls.holder_mut()
        && holder.held.has_manual_renewal()
    {
        holder.held.schedule.renew_now(now);
    }
}
