//! How a token is given back: by the task that awaits it, or by the keeper, until it has taken effect or the ttl has
//! made it pointless.
//!
//! Must stay true: a release goes behind whatever it undoes; an acquire of the same key goes behind the release.

use std::time::Duration;

use super::releasing::{Errand, Releasing, Rotating, Standing};
use super::waiting::no_answer;
use super::{Action, Core, Doubt, Given, Giving, Job, SessionId, Stage, TicketId, jitter};
use crate::store::Moment;
use crate::store::{Released, StoreError, StoreErrorKind};

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a release that its task has sent may stay without an answer before the keeper sends it.
const OF_TASK: Duration = Duration::from_secs(1);
/// How often a release is repeated while an ask of its token may be anywhere. Each waits for an operation time-out after
/// the last was answered: a clock that leaps ahead hurries one of them, and the other still comes behind the ask.
const REPEATS: u32 = 2;

/// What the task that awaits a release does now.
#[derive(Debug)]
pub enum ReleaseStep {
    /// Send this, then tell the answer.
    Send(Giving),
    /// Go on with the release that is under way.
    Sending,
    /// Stand by until woken.
    Stand,
    /// It is over, or goes on without the task.
    Done(Result<Released, StoreError>),
}

impl<S: Clone> Core<S> {
    /// A lease ends: its body or guard is gone. A task awaits the release until `wanted_until`, or nobody does.
    pub fn end(&mut self, now: Moment, id: TicketId, wanted_until: Option<Moment>) {
        let Some(Stage::Held(held)) = self.stage(id) else { return self.await_release(id, wanted_until) };
        let (in_time, queued) = (held.lost.is_none() && held.first_lease, held.queued);
        if in_time {
            self.first_lease.was_long_enough();
        }
        if self.pass_on(now, id, wanted_until.is_some()) {
            self.tick_closing(now);
            return;
        }
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let Stage::Held(held) = &mut ticket.stage else { return };
        self.held -= usize::from(held.lost.is_none());
        // A renewal under way is on the keeper's line, and so its release goes behind it there.
        let is_renewing = held.schedule.is_in_flight();
        let own = wanted_until.is_some() && !is_renewing;
        let keep_until = if held.claimed { held.keep_until } else { Moment::MIN };
        // Nor may it go where an ask is in doubt; it is repeated for that one.
        let doubt = match held.in_doubt() {
            doubt if is_renewing => doubt.without_line(),
            doubt => doubt,
        };
        let releasing = Releasing {
            errand: if own { Errand::Own } else { Errand::Due(now) },
            keep_until,
            wanted_until,
            may_rotation: held.lost.is_none() && keep_until <= now && doubt == Doubt::Nowhere,
            ..Releasing::orphan(now, held.longest_ttl, doubt, held.loose_ends.take().and_then(|ends| ends.entry))
        };
        ticket.stage = Stage::Releasing(self.spare_releasing.put_into(releasing));
        let key = ticket.key.clone();
        self.was_held(now, &key);
        if queued {
            self.contended.note(now, &key);
        }
        self.vacate(id);
        self.lines.entry(key).or_default().releasing += 1;
        self.file(id);
        self.tick_closing(now);
    }

    /// The end of the process was quicker than the task: what it queued is awaited like the task's own.
    fn await_release(&mut self, id: TicketId, wanted_until: Option<Moment>) {
        if let Some(Stage::Releasing(releasing)) = self.stage_mut(id) {
            releasing.wanted_until = releasing.wanted_until.or(wanted_until);
            self.file(id);
        }
    }

    /// What the task that awaits this release does now; `line` is its own session's, if it has one.
    pub fn release_next(&mut self, now: Moment, id: TicketId, line: Option<SessionId>) -> ReleaseStep {
        let Some(ticket) = self.tickets.get_mut(id) else { return ReleaseStep::Done(Err(no_answer())) };
        let Stage::Releasing(releasing) = &mut ticket.stage else { return ReleaseStep::Stand };
        let step = match (&releasing.errand, line) {
            (Errand::Over(outcome), _) => ReleaseStep::Done(outcome.clone()),
            _ if releasing.wanted_until.is_none() => ReleaseStep::Done(Err(no_answer())),
            (Errand::Own, Some(line)) => {
                releasing.errand = Errand::SentByTask { line, until: now + OF_TASK };
                return self.giving(now, id, line).map_or(ReleaseStep::Stand, ReleaseStep::Send);
            }
            (Errand::Own, None) => {
                releasing.errand = Errand::Due(now);
                ReleaseStep::Stand
            }
            (Errand::SentByTask { .. }, _) => ReleaseStep::Sending,
            _ => ReleaseStep::Stand,
        };
        if let (ReleaseStep::Done(_), Errand::Over(_)) = (&step, &releasing.errand) {
            self.remove(id);
            self.tick_closing(now);
        }
        self.file(id);
        step
    }

    /// What is sent of a release: a rotation, if somebody of this process waits next, and nothing was sent before.
    fn giving(&mut self, now: Moment, id: TicketId, line: SessionId) -> Option<Giving> {
        let ticket = self.tickets.get_mut(id)?;
        let Stage::Releasing(releasing) = &mut ticket.stage else { return None };
        let may_rotation = std::mem::take(&mut releasing.may_rotation) && self.closing.is_none();
        let contended = self.contended.has(now, &ticket.key);
        let plain = releasing.order(now, &ticket.key, ticket.token, contended);
        let next = self.lines.get(&ticket.key).and_then(super::line::Line::heir).filter(|_| may_rotation);
        self.file(id);
        let rotation = next.and_then(|next| Some((next, self.take_rotation(now, &plain, next, line)?)));
        let Some((next, rotation)) = rotation else { return Some(Giving::Release(plain)) };
        if let Some(Stage::Releasing(releasing)) = self.stage_mut(id) {
            releasing.may_last(now, rotation.ttl);
            releasing.rotation = Some(Rotating { next, sent: now });
        }
        Some(Giving::Rotate(rotation))
    }

    /// The task that awaited this release is gone.
    pub fn release_left(&mut self, now: Moment, id: TicketId) {
        let Some(Stage::Releasing(releasing)) = self.stage_mut(id) else { return };
        releasing.wanted_until = None;
        if releasing.is_over() {
            self.remove(id);
        } else if releasing.take_over(now) {
            self.abandon_rotation(now, id);
        }
        self.file(id);
        self.tick_closing(now);
    }

    /// A release was answered; `via` is the line that carried it.
    pub fn released(&mut self, now: Moment, id: TicketId, via: Option<SessionId>, answer: Result<Given, StoreError>) {
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let token = ticket.token;
        let Stage::Releasing(releasing) = &mut ticket.stage else { return };
        releasing.silent.take_if(|line| via == Some(*line));
        if matches!(releasing.errand, Errand::Over(_)) {
            return;
        }
        match answer {
            Ok(Given::Rotated(answer)) => self.rotated(now, id, answer),
            Ok(Given::Released(answer)) => {
                let answer = if releasing.unanswered { Released::Freed } else { answer };
                if !releasing.doubt.is_settled_by(via) {
                    self.release_once_more(now, id);
                }
                self.over(now, id, Ok(answer));
            }
            Err(error) => {
                let rotation = releasing.rotation.take();
                if rotation.is_some() {
                    // It may have made the lease last for its next holder.
                    releasing.may_last(now, Duration::ZERO);
                }
                releasing.unanswered |= error.kind() == StoreErrorKind::Disconnected;
                // Whatever carried the ask is in trouble, so that the ask may come later than the next release.
                releasing.doubt = releasing.doubt.without_line();
                let pause = Duration::from_millis(25 << releasing.tries.min(6)).min(LONGEST_PAUSE / 2);
                let at =
                    if releasing.tries == 0 { now } else { now + pause + jitter(token.seed(), releasing.tries, pause) };
                releasing.tries += 1;
                releasing.errand = Errand::Due(at);
                if releasing.pointless <= at {
                    self.over(now, id, Err(error.clone()));
                }
                if let Some(rotation) = rotation {
                    self.rotation_failed(now, rotation, error);
                }
            }
        }
        self.file(id);
    }

    pub(super) fn tick_releasing(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        let connected = self.keeper.is_some();
        let ticket = self.tickets.get_mut(id)?;
        let Stage::Releasing(releasing) = &mut ticket.stage else { return None };
        if releasing.wanted_until.is_some_and(|until| until <= now) {
            // The task goes on; the release does too, behind what the task may have sent.
            releasing.wanted_until = None;
            let is_taken_over = releasing.take_over(now);
            self.actions.extend(releasing.silent.take().map(Action::TimedOut));
            if is_taken_over {
                self.abandon_rotation(now, id);
            }
            self.wake(id);
            self.file(id);
            return self.tick_releasing(now, id);
        }
        if matches!(releasing.errand, Errand::SentByTask { until, .. } if until <= now) {
            // The task may have its answer yet, and awaits it; which of the two comes first does not matter.
            releasing.take_over(now);
            self.abandon_rotation(now, id);
            self.file(id);
            return self.tick_releasing(now, id);
        }
        if releasing.pointless <= now && !matches!(releasing.errand, Errand::SentByKeeper(_)) {
            self.abandon_rotation(now, id);
            self.over(now, id, Err(no_answer()));
            return None;
        }
        let job = match releasing.errand {
            Errand::Due(at) if at <= now && connected => {
                // The keeper answers within the operation time-out; twice that is for a store that panics.
                releasing.errand = Errand::SentByKeeper(now + self.settings.operation_timeout * 2);
                let via = releasing.doubt.line();
                let line = via.or(self.keeper)?;
                self.giving(now, id, line).map(|giving| Job::Give(id, giving, via))
            }
            Errand::Due(at) if at <= now => {
                releasing.errand = Errand::Parked;
                self.parked.insert(id);
                None
            }
            Errand::SentByKeeper(fails_at) if fails_at <= now => {
                self.released(now, id, None, Err(no_answer()));
                return self.tick_releasing(now, id);
            }
            _ => None,
        };
        self.file(id);
        job
    }

    /// Nobody hears the answer to a rotation that is under way.
    pub(super) fn abandon_rotation(&mut self, now: Moment, id: TicketId) {
        if let Some(Stage::Releasing(releasing)) = self.stage_mut(id)
            && let Some(rotation) = releasing.rotation.take()
        {
            releasing.may_last(now, Duration::ZERO);
            self.rotation_failed(now, rotation, no_answer());
        }
    }

    /// Queues the same release again, for an ask that arrives late; nobody waits for that one.
    fn release_once_more(&mut self, now: Moment, id: TicketId) {
        let Some(ticket) = self.tickets.get(id) else { return };
        let Stage::Releasing(releasing) = &ticket.stage else { return };
        let most = if self.closing.is_some() { 1 } else { REPEATS };
        if releasing.repeats >= most {
            return;
        }
        let at = if self.closing.is_some() { now } else { now + self.settings.operation_timeout };
        let again = Releasing {
            errand: Errand::Due(at),
            pointless: releasing.pointless.max(at + Duration::from_nanos(1)),
            longest_ttl: releasing.longest_ttl,
            standing: Standing::Apart,
            keep_until: releasing.keep_until,
            repeats: releasing.repeats + 1,
            ..Releasing::orphan(now, Duration::ZERO, Doubt::Somewhere, releasing.leave.clone())
        };
        self.insert_orphan(ticket.key.clone(), ticket.token, again);
    }

    /// The release is over; a task that awaits it has yet to hear.
    pub(super) fn over(&mut self, now: Moment, id: TicketId, outcome: Result<Released, StoreError>) {
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let key = ticket.key.clone();
        let Stage::Releasing(releasing) = &mut ticket.stage else { return };
        if releasing.standing == Standing::HoldsLine
            && let Some(line) = self.lines.get_mut(&key)
        {
            line.releasing -= 1;
            releasing.standing = Standing::Apart;
        }
        let sent = std::mem::replace(&mut releasing.errand, Errand::Over(outcome));
        self.settled += 1;
        match (releasing.wanted_until, sent) {
            // The task that told the answer knows it.
            (Some(_), Errand::SentByTask { .. }) => {}
            (Some(_), _) => self.wake(id),
            (None, _) => self.remove(id),
        }
        self.file(id);
        self.pass_turn(now, &key);
        self.tick_closing(now);
    }
}
