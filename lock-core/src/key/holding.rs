//! A lease while it is held: its renewals, by hand too, and how it is lost.
//!
//! Must stay true: an error is not a loss; a loss is final; a grant that no task has looked at is not kept alive.

use std::time::Duration;

use super::calls::Calls;
use super::context::{Context, Effect};
use super::granting::passed_on_too_late;
use super::ids::Number;
use super::leaving::refuse_holder;
use super::manual::ManualRenewals;
use super::messages::{Action, Job, ManualStep, Refusal};
use crate::planted::{Mutant, planted};
use crate::store::{LossReason, Moment, Renewal, Renewed, StoreError, StoreErrorKind, Token};

/// A renewal that was sent.
pub(super) struct SentRenewal {
    pub(super) token: Token,
    pub(super) sent: Moment,
    pub(super) ttl: Duration,
}

/// A renewal was answered; the lease may have changed its holder since.
pub(super) fn renewed<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    SentRenewal { token, sent, ttl }: SentRenewal,
    answer: Result<Renewed, StoreError>,
) {
    let (now, rhythm) = (cx.now, cx.known.rhythm);
    let Some(holder) = calls.holder_mut().filter(|holder| holder.token == token) else { return };
    let held = &mut holder.held;
    if let Some(reason) = held.over(now) {
        // A late "yes" never revives.
        return end_by_clock(calls, cx, reason);
    }
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
            if let Some(waiting) = held.waiting.take_if(|waiting| waiting.since <= sent) {
                held.begin(now, &waiting.terms);
                cx.wake(holder.caller.clone());
            } else if held.is_ready() {
                cx.effects.push(Effect::Do(Action::Extend(holder.caller.clone(), held.until())));
                tell_manual(calls, cx, |renewals| renewals.confirmed(sent, ttl));
                hurry_manual(calls, now);
            } else {
                held.schedule.hurry(now);
            }
        }
        Ok(Renewed::NotOurs) => not_ours(calls, cx),
        Err(error) => {
            held.schedule.failed(now, sent, held.ttl, rhythm);
            let for_good = error.kind() == StoreErrorKind::Refused;
            tell_manual(calls, cx, |renewals| renewals.failed(&error, for_good));
        }
    }
}

/// The store says that the lease is not ours.
fn not_ours<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    ends(calls, cx, LossReason::Stolen, "the lock was granted, and lost again before its task was polled");
}

/// The clock has ended the lease.
fn end_by_clock<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, reason: LossReason) {
    ends(calls, cx, reason, "the lock was granted, but its task was not polled before it expired");
}

/// The lease ends: its next holder goes on waiting, a task that has not seen it is told what went wrong, and a body loses
/// it.
fn ends<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, reason: LossReason, unseen: &'static str) {
    let Some(holder) = calls.take_active_holder(|holder| !holder.held.is_ready() || !holder.held.claimed) else {
        return lose(calls, cx, reason);
    };
    if holder.held.is_ready() {
        let error = StoreError::new(StoreErrorKind::Disconnected, unseen);
        refuse_holder(calls, cx, holder, Refusal::Unavailable(error));
    } else {
        passed_on_too_late(calls, cx, holder);
    }
}

/// The lease is lost, and stays so; it is released when its body is gone.
pub(super) fn lose<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, reason: LossReason) {
    let Some(mut holder) = calls.take_active_holder(|_| true) else { return };
    holder.held.lost = Some(reason);
    if holder.held.first_lease {
        cx.effects.push(Effect::FirstLeaseTooShort);
    }
    cx.effects.push(Effect::Do(Action::Lose(holder.caller.clone(), reason)));
    calls.rest_or_new(cx.spare).lost.push(holder);
}

/// The lease's own task found its time over: answers until when it is not, or how the lease was lost.
pub(super) fn lapsed<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
) -> Result<Moment, LossReason> {
    let Some(holder) = calls.holder_of(number) else { return Err(LossReason::Expired) };
    match (holder.held.lost, holder.held.over(cx.now)) {
        (Some(reason), _) => Err(reason),
        (None, Some(reason)) => {
            lose(calls, cx, reason);
            Err(reason)
        }
        (None, None) => Ok(holder.held.until()),
    }
}

/// The clock concerns the one who holds.
pub(super) fn tick<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>) {
    let (now, known) = (cx.now, cx.known);
    let Some(holder) = calls.holder_mut() else { return };
    let held = &mut holder.held;
    if let Some(reason) = held.over(now) {
        return end_by_clock(calls, cx, reason);
    }
    if let Some(waiting) = held.waiting.as_ref().filter(|waiting| waiting.time_up <= now) {
        // A neighbour held it until a moment ago, unless the store had the time to answer since.
        let had_time = waiting.since + known.settings.operation_timeout <= now;
        let error = known.outage.cloned().or_else(|| had_time.then(StoreError::no_answer));
        if let Some(holder) = calls.take_active_holder(|_| true) {
            refuse_holder(calls, cx, holder, error.map_or(Refusal::Busy, Refusal::Unavailable));
        }
        return;
    }
    if held.schedule.timed_out(now) {
        held.schedule.give_up(now, held.ttl, known.rhythm);
    }
    if held.is_kept_alive() && held.schedule.wants(now) {
        if !held.is_to_be_renewed() {
            // One that failed was of the holder before, or is not awaited any more.
            held.schedule.park();
        } else if known.keeper.is_some() {
            held.schedule.sent(now, held.ttl);
            let ttl = held.next_ttl();
            held.longest_ttl = held.longest_ttl.max(ttl);
            cx.effects.push(Effect::Send(Job::Renew(Renewal { key: cx.key.clone(), token: holder.token, ttl })));
        } else {
            held.schedule.park();
            cx.effects.push(Effect::Park);
        }
    }
    tell_manual(calls, cx, |renewals| renewals.give_up(now));
}

/// A task asks for a renewal now, and for this ttl from now on.
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
        holder.held.schedule.hurry(cx.now);
    }
    renewal
}

/// What has become of it.
pub(super) fn manual_next<C>(calls: &mut Calls<C>, number: Number, renewal: Number) -> ManualStep {
    let Some(holder) = calls.holder_of_mut(number) else { return ManualStep::Lost(LossReason::Expired) };
    let held = &mut holder.held;
    if let Some(reason) = held.lost {
        return ManualStep::Lost(reason);
    }
    let Some(renewals) = held.manual.as_mut().filter(|renewals| !renewals.awaits(renewal)) else {
        return ManualStep::Stand;
    };
    let outcome = renewals.take(renewal);
    held.manual.take_if(|renewals| renewals.is_empty());
    match outcome {
        None => ManualStep::Stand,
        Some(Ok(())) => ManualStep::Renewed,
        Some(Err(error)) => ManualStep::Failed(error),
    }
}

/// The task that asked for it waits no more.
pub(super) fn manual_left<C>(calls: &mut Calls<C>, number: Number, renewal: Number) {
    if let Some(holder) = calls.holder_of_mut(number)
        && let Some(renewals) = &mut holder.held.manual
    {
        renewals.take(renewal);
        holder.held.manual.take_if(|renewals| renewals.is_empty());
    }
}

/// Tells those who renew by hand what a change of the lease means to them.
fn tell_manual<C: Clone>(
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

/// Who renews by hand is not served by one that was under way before.
fn hurry_manual<C>(calls: &mut Calls<C>, now: Moment) {
    if let Some(holder) = calls.holder_mut()
        && holder.held.is_renewed_by_hand()
    {
        holder.held.schedule.hurry(now);
    }
}
