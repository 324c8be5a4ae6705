//! How a token is given back: by the task that awaits it, or by the keeper, until the store has answered or the ttl has
//! made it pointless.
//!
//! Must stay true: a release is sent behind whatever it undoes; a call for the same key is sent behind the release.

use std::time::Duration;

use super::calls::Calls;
use super::context::{Context, Effect};
use super::giving_back::finish;
use super::ids::{Number, SessionId};
use super::messages::{Job, ReleaseReply, ReleaseRequest, ReleaseStep};
use super::releasing::{Progress, REPEATS};
use super::rotating::{rotate, rotated, rotation_failed};
use crate::store::{Released, StoreError, StoreErrorKind};

/// How long a release that its task has sent may stay without an answer before the keeper sends it too.
const TASK_TIMEOUT: Duration = Duration::from_secs(1);

/// The next step of the task that awaits this release; `session` is that of its runtime, if there is one.
pub(super) fn next<C>(
    calls: &mut Calls<C>,
    cx: &Context<'_, C>,
    number: Number,
    session: Option<SessionId>,
) -> ReleaseStep {
    let Some(releasing) = calls.release_mut(number) else { return ReleaseStep::Done(Err(StoreError::no_answer())) };
    match (&releasing.progress, session) {
        (Progress::Finished(outcome), _) => {
            let outcome = outcome.clone();
            calls.remove_release(number);
            ReleaseStep::Done(outcome)
        }
        _ if releasing.awaited_until.is_none() => ReleaseStep::Done(Err(StoreError::no_answer())),
        (Progress::TaskMaySend, Some(session)) => {
            // A call that waits behind it has to have its answer within an operation time-out, too.
            let patience = TASK_TIMEOUT.min(cx.known.settings.operation_timeout / 2);
            releasing.progress = Progress::SentByTask { session, until: cx.now + patience };
            request(calls, cx, number, session).map_or(ReleaseStep::Pending, ReleaseStep::Send)
        }
        (Progress::TaskMaySend, None) => {
            releasing.progress = Progress::Due(cx.now);
            ReleaseStep::Pending
        }
        (Progress::SentByTask { .. }, _) => ReleaseStep::AwaitAnswer,
        _ => ReleaseStep::Pending,
    }
}

/// What to send: a rotation, if a local waiter is next and nothing was sent before; else a release.
fn request<C>(calls: &mut Calls<C>, cx: &Context<'_, C>, number: Number, session: SessionId) -> Option<ReleaseRequest> {
    let releasing = calls.release_mut(number)?;
    let may_rotate = std::mem::take(&mut releasing.may_rotate) && !cx.known.closing;
    let release = releasing.request(cx.now, cx.key, cx.known.contended);
    let rotation = if may_rotate { rotate(calls, cx, &release, session) } else { None };
    let Some((rotate, rotating)) = rotation else { return Some(ReleaseRequest::Release(release)) };
    let releasing = calls.release_mut(number)?;
    releasing.key_may_last(cx.now, rotate.ttl);
    releasing.rotating = Some(rotating);
    Some(ReleaseRequest::Rotate(Box::new(rotate)))
}

/// The task that awaited this release was dropped.
pub(super) fn cancelled<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) {
    let Some(releasing) = calls.release_mut(number) else { return };
    releasing.awaited_until = None;
    if releasing.is_finished() {
        calls.remove_release(number);
    } else if releasing.take_over(cx.now) {
        abandon_rotation(calls, cx, number);
    }
}

/// A release was answered; `via` is the session that carried it.
pub(super) fn released<C: Clone>(
    calls: &mut Calls<C>,
    cx: &mut Context<'_, C>,
    number: Number,
    via: Option<SessionId>,
    answer: Result<ReleaseReply, StoreError>,
) {
    let Some(releasing) = calls.release_mut(number) else { return };
    releasing.silent_session.take_if(|session| via == Some(*session));
    if releasing.is_finished() {
        return;
    }
    match answer {
        Ok(ReleaseReply::Rotated(answer)) => rotated(calls, cx, number, answer),
        Ok(ReleaseReply::Released(answer)) => {
            let answer = if releasing.unanswered { Released::Freed } else { answer };
            if !releasing.doubt.is_settled_by(via) {
                repeat_release(calls, cx, number);
            }
            finish(calls, cx, number, Ok(answer));
        }
        Err(error) => failed(calls, cx, number, error),
    }
}

/// The release failed.
fn failed<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number, error: StoreError) {
    let Some(releasing) = calls.release_mut(number) else { return };
    let rotating = releasing.rotating.take();
    if rotating.is_some() {
        // It may have extended the lease for the next holder.
        releasing.key_may_last(cx.now, Duration::ZERO);
    }
    releasing.unanswered |= error.kind() == StoreErrorKind::Disconnected;
    let at = releasing.failed(cx.now);
    if releasing.pointless_from <= at {
        finish(calls, cx, number, Err(error.clone()));
    }
    if let Some(rotating) = rotating {
        rotation_failed(calls, cx, rotating, error);
    }
}

/// The clock of this release.
pub(super) fn tick<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) {
    let now = cx.now;
    let Some(releasing) = calls.release_mut(number) else { return };
    if releasing.awaited_until.is_some_and(|until| until <= now) {
        // The task stops waiting; the release goes on, behind what the task may have sent.
        releasing.awaited_until = None;
        let is_taken_over = releasing.take_over(now);
        if let Some(session) = releasing.silent_session.take() {
            cx.timed_out(session);
        }
        if let Some(caller) = releasing.caller.clone() {
            cx.wake(caller);
        }
        if is_taken_over {
            abandon_rotation(calls, cx, number);
        }
        return tick(calls, cx, number);
    }
    match releasing.progress {
        Progress::SentByTask { until, .. } if until <= now => {
            // The task still awaits its own answer; whichever of the two arrives first counts.
            releasing.take_over(now);
            abandon_rotation(calls, cx, number);
            tick(calls, cx, number);
        }
        Progress::SentByKeeper(fails_at) if fails_at <= now => {
            failed(calls, cx, number, StoreError::no_answer());
            tick(calls, cx, number);
        }
        Progress::SentByKeeper(_) | Progress::Finished(_) => {}
        _ if releasing.pointless_from <= now => {
            abandon_rotation(calls, cx, number);
            finish(calls, cx, number, Err(StoreError::no_answer()));
        }
        Progress::Due(at) if at <= now => send(calls, cx, number),
        _ => {}
    }
}

/// The keeper sends it, if it has a session: over the session that carried what it undoes, if there is just one.
fn send<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) {
    let Some(releasing) = calls.release_mut(number) else { return };
    let Some(keepers) = cx.known.carrier else {
        releasing.progress = Progress::Parked;
        return cx.effects.push(Effect::Park);
    };
    // The keeper answers within the operation time-out; twice that covers a store that panics.
    releasing.progress = Progress::SentByKeeper(cx.now + cx.known.settings.operation_timeout * 2);
    let via = releasing.doubt.session();
    if let Some(request) = request(calls, cx, number, via.unwrap_or(keepers)) {
        cx.send(Job::Release(number, request, via));
    }
}

/// No answer to a rotation in flight is awaited any more.
pub(super) fn abandon_rotation<C: Clone>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) {
    let Some(releasing) = calls.release_mut(number) else { return };
    if let Some(rotating) = releasing.rotating.take() {
        releasing.key_may_last(cx.now, Duration::ZERO);
        rotation_failed(calls, cx, rotating, StoreError::no_answer());
    }
}

/// Repeats the release later, for a request that arrives late; nobody awaits that one.
fn repeat_release<C>(calls: &mut Calls<C>, cx: &mut Context<'_, C>, number: Number) {
    let (most, at) =
        if cx.known.closing { (1, cx.now) } else { (REPEATS, cx.now + cx.known.settings.operation_timeout) };
    let again = cx.number();
    let releasing = calls.release_mut(number).filter(|releasing| releasing.repeats < most);
    if let Some(again) = releasing.map(|releasing| releasing.repeat(cx.now, again, at)) {
        calls.others_or_new(cx.spare).releases.push(again);
    }
}
