//! From an arrival to a grant: who asks the store, when, and what the answers mean.
//!
//! A task asks by its own session: for a free lock first, then by a look, which queues at the store. Later looks are
//! the keeper's.
//! Must stay true: a ticket has one ask under way at most, and an answer to an earlier one counts only if it is a grant.

use std::time::Duration;

use super::lease::{By, Fences, Granted, Held, LooseEnds};
use super::waiting::{Phase, Waiting, no_answer};
use super::{Action, Core, Doubt, Job, Refusal, SessionId, Stage, Step, Terms, Ticket, TicketId, Via, Wait};
use crate::planted::{Mutant, planted};
use crate::store::LockKey;
use crate::store::Moment;
use crate::store::{Acquired, Ask, StoreError, StoreErrorKind, Token};

impl<S: Clone> Core<S> {
    /// An acquire begins.
    pub fn arrive(
        &mut self,
        now: Moment,
        key: LockKey,
        token: Token,
        terms: Terms,
        seat: S,
    ) -> Result<TicketId, Refusal> {
        if self.closing.is_some() {
            return Err(Refusal::ShuttingDown);
        }
        if terms.wait == Wait::AtMost(Duration::ZERO) && self.is_taken(now, &key) {
            return Err(Refusal::Busy);
        }
        let waiting = Waiting::new(now, self.arrivals, terms, self.settings.operation_timeout);
        self.arrivals += 1;
        let stage = Stage::Waiting(self.spare_waiting.put_into(waiting));
        let id = self.insert(Ticket { key: key.clone(), token, seat: Some(seat), stage, known: false });
        self.waiting += 1;
        let line = self.lines.entry(key).or_default();
        if line.is_free() {
            line.occupant = Some(id);
            self.give_turn(now, id);
        } else {
            self.join_line(id);
            self.ask_for_news(now, id);
        }
        Ok(id)
    }

    /// What the task of this ticket does now; `via` is its own session, if it has one.
    pub fn next(&mut self, now: Moment, id: TicketId, via: Option<Via>) -> Step {
        let Some(ticket) = self.tickets.get_mut(id) else { return Step::Stand };
        match &mut ticket.stage {
            Stage::Waiting(waiting) => {
                waiting.is_at(via);
                match &waiting.phase {
                    Phase::Refused(refusal) => {
                        let refusal = refusal.clone();
                        self.remove(id);
                        self.waiting -= 1;
                        Step::Refused(refusal)
                    }
                    Phase::MayAsk { .. } => self.ask_by_task(now, id, via.map(|via| via.line)),
                    Phase::Asking { by_task: true, .. } => Step::Asking,
                    _ => Step::Stand,
                }
            }
            Stage::Held(held) if held.is_ready() && held.over(now).is_none() => {
                held.claimed = true;
                let step = Step::Granted { fence: held.fences.first, until: held.until() };
                self.file(id);
                step
            }
            _ => Step::Stand,
        }
    }

    /// The task asks by its own session: for a free lock first, by way of the queue if others wait for it.
    fn ask_by_task(&mut self, now: Moment, id: TicketId, line: Option<SessionId>) -> Step {
        let fails_at = now + self.settings.operation_timeout;
        let Some(ticket) = self.tickets.get_mut(id) else { return Step::Stand };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return Step::Stand };
        let is_queued_for = waiting.busy_from > now && self.contended.has(now, &ticket.key);
        let step = match line {
            Some(line) if waiting.is_new() && !is_queued_for => {
                waiting.carrier = Some(line);
                waiting.phase = Phase::Asking { sent: now, fails_at, by_task: true, fences: 1 };
                Step::Ask(Ask { key: ticket.key.clone(), token: ticket.token, ttl: waiting.terms.ttl })
            }
            Some(line) if waiting.may_look_over(line) => self.look(now, id, line, true).map_or(Step::Stand, Step::Look),
            _ => {
                waiting.phase = Phase::MayAsk { keeper_from: now };
                Step::Stand
            }
        };
        self.file(id);
        step
    }

    /// The ask for this token that was sent at `sent` was answered.
    pub fn answered(
        &mut self,
        now: Moment,
        id: TicketId,
        token: Token,
        sent: Moment,
        answer: Result<Acquired, StoreError>,
    ) {
        if answer.is_ok() {
            self.first_lease.saw_round_trip(now.since(sent));
        }
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let waiting = match &mut ticket.stage {
            Stage::Waiting(waiting) if ticket.token == token => waiting,
            Stage::Held(held) if answer.is_ok() => {
                held.ask_answered(sent);
                return;
            }
            _ => return,
        };
        let current = waiting.is_current(sent);
        match answer {
            Ok(Acquired::Granted { fence }) if !matches!(waiting.phase, Phase::Refused(_)) => {
                let by_look = waiting.entry.is_some();
                let fences = Fences::block(fence, waiting.fences_asked_at(sent));
                let from = if planted(Mutant::ClockFromReply) { now } else { sent };
                let granted = self.grant(now, id, Granted { fences, from, by: By::Answer });
                self.tally.by_look += u64::from(granted && by_look);
            }
            Ok(Acquired::Held { for_at_most, queued_at }) if current => {
                self.told_busy(now, id, sent, for_at_most, queued_at);
            }
            Err(error) if current => self.troubled(now, id, error),
            _ => {}
        }
        self.file(id);
    }

    pub(super) fn tick_waiting(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        let ticket = self.tickets.get_mut(id)?;
        let Stage::Waiting(waiting) = &mut ticket.stage else { return None };
        match waiting.phase {
            // Before its time is up, which may be at this very moment: that a neighbour holds is an answer.
            Phase::InLine { impatient: false } => {
                self.grow_impatient(now, id);
                self.tick_waiting(now, id)
            }
            _ if waiting.time_up <= now => {
                let refused = self.outage.clone().filter(|error| error.kind() == StoreErrorKind::Refused);
                let blocked = refused.or_else(|| self.occupants_trouble(id)).or_else(|| self.outage.clone());
                let held = self.has_waited_for_a_holder(id);
                let Some(Stage::Waiting(waiting)) = self.stage(id) else { return None };
                let refusal = waiting.time_up_refusal(held, blocked);
                self.report_time_out(id);
                self.refuse(now, id, refusal);
                None
            }
            Phase::Resting { told_busy: true, .. } | Phase::PutOff if waiting.busy_from <= now => {
                self.refuse(now, id, Refusal::Busy);
                None
            }
            Phase::Asking { fails_at, .. } if fails_at <= now => {
                self.report_time_out(id);
                self.troubled(now, id, no_answer());
                self.file(id);
                self.tick_waiting(now, id)
            }
            Phase::MayAsk { keeper_from: from } | Phase::Resting { until: from, .. } if from <= now => {
                self.ask_by_keeper(now, id)
            }
            _ => None,
        }
    }

    pub(super) fn ask_by_keeper(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        // The keeper answers within the operation time-out; twice that is for a store that panics.
        let (keeper, patience) = (self.keeper, self.settings.operation_timeout * 2);
        let ticket = self.tickets.get_mut(id)?;
        let Stage::Waiting(waiting) = &mut ticket.stage else { return None };
        let Some(line) = keeper else {
            waiting.phase = Phase::Parked;
            self.parked.insert(id);
            self.file(id);
            return None;
        };
        if waiting.is_new() {
            waiting.carrier = Some(line);
            waiting.phase = Phase::Asking { sent: now, fails_at: now + patience, by_task: false, fences: 1 };
            let ask = Ask { key: ticket.key.clone(), token: ticket.token, ttl: waiting.terms.ttl };
            self.file(id);
            return Some(Job::Acquire(id, ask));
        }
        let is_period_over = matches!(waiting.phase, Phase::Resting { told_busy: true, .. });
        let is_told = waiting.told_over.is_some() && waiting.reading.is_some();
        if is_period_over && is_told && !waiting.looks_last(now) && !self.looks.may_go(now, id, waiting.looked) {
            waiting.phase = Phase::PutOff;
            self.file(id);
            return None;
        }
        // Where it hears of its grant, so that what it reads of the store's clock is that store's.
        let line = waiting.told_over.unwrap_or(line);
        self.look(now, id, line, false).map(|look| Job::Look(id, look, line))
    }

    /// Makes a lease of a grant, unless it came too late.
    pub(super) fn grant(&mut self, now: Moment, id: TicketId, granted: Granted) -> bool {
        let rhythm = self.rhythm(id);
        let Some(ticket) = self.tickets.get_mut(id) else { return false };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return false };
        let by_task = waiting.is_by_task() && granted.by == By::Answer;
        let mut held = Held::new(now, granted, &waiting.terms, rhythm);
        held.longest_ttl = held.longest_ttl.max(waiting.longest_ttl);
        if held.over(now).is_some() {
            if held.first_lease {
                self.first_lease.was_too_short();
            }
            self.granted_too_late(now, id);
            return false;
        }
        held.queued = waiting.place.is_some();
        let is_the_grant = |sent: Moment| granted.by == By::Answer && sent == granted.from;
        let unanswered = waiting.unanswered().filter(|&(sent, _)| !is_the_grant(sent));
        let is_queued = waiting.entry.is_some();
        let ends = LooseEnds { doubt: waiting.doubt, unanswered, entry: None };
        if ends.in_doubt() != Doubt::Nowhere {
            let entry = waiting.entry.take().map(|(entry, _)| entry);
            held.loose_ends = Some(Box::new(LooseEnds { entry, ..ends }));
        }
        let is_ready = held.outlasts_min_hold(now, &waiting.terms);
        if let Stage::Waiting(waiting) = std::mem::replace(&mut ticket.stage, Stage::Held(held)) {
            if is_ready {
                self.spare_waiting.keep(waiting);
            } else {
                self.renew_first(now, id, waiting);
            }
        }
        self.queued -= usize::from(is_queued);
        self.waiting -= 1;
        self.held += 1;
        if !by_task && is_ready {
            self.wake(id);
        }
        self.file(id);
        self.refuse_impatient(now, id, Moment::MAX);
        true
    }

    /// What is left of a lease is too short for its holder's `min_hold`.
    fn renew_first(&mut self, now: Moment, id: TicketId, mut waiting: Box<Waiting>) {
        waiting.since = now;
        waiting.entry = None;
        if let Some(Stage::Held(held)) = self.stage_mut(id) {
            held.renew_first(now, waiting);
        }
    }

    /// The grant is given back, and the ticket goes on under a new token, behind the release of the old one.
    fn granted_too_late(&mut self, now: Moment, id: TicketId) {
        self.give_back(now, id);
        let text = "the store's answer came too late to be of use";
        self.start_over(now, id, Some(StoreError::new(StoreErrorKind::Disconnected, text)));
    }

    /// A lease came to its next holder in this process, and ended before that one's time had begun.
    pub(super) fn passed_on_too_late(&mut self, now: Moment, id: TicketId) {
        self.give_back(now, id);
        let Some(Stage::Held(held)) = self.stage_mut(id) else { return };
        let Some(waiting) = held.waiting.take() else { return };
        if let Some(ticket) = self.tickets.get_mut(id) {
            ticket.stage = Stage::Waiting(waiting);
        }
        self.held -= 1;
        self.waiting += 1;
        let text = "the lease ended before it could be renewed for its next holder";
        self.start_over(now, id, Some(StoreError::new(StoreErrorKind::Disconnected, text)));
    }

    /// Goes on waiting in its old place, under a new token.
    pub(super) fn start_over(&mut self, now: Moment, id: TicketId, trouble: Option<StoreError>) {
        self.forget_token(id);
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        ticket.token = ticket.token.successor();
        self.queued -= usize::from(waiting.entry.is_some());
        waiting.start_over(now);
        waiting.phase = Phase::InLine { impatient: waiting.busy_from <= now };
        waiting.trouble = trouble.or(waiting.trouble.take());
        let key = ticket.key.clone();
        self.vacate(id);
        self.join_line(id);
        self.pass_turn(now, &key);
        self.file(id);
        self.wake(id);
    }

    pub(super) fn told_busy(
        &mut self,
        now: Moment,
        id: TicketId,
        sent: Moment,
        held_for: Option<Duration>,
        clock: Option<u64>,
    ) {
        let waits_on = matches!(self.stage(id), Some(Stage::Waiting(waiting)) if now < waiting.busy_from);
        // Whoever came while this was asked has the answer too, if this one stays before them.
        self.refuse_impatient(now, id, if waits_on { Moment::MAX } else { sent });
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        waiting.answered = true;
        (waiting.failures, waiting.sent_back) = (0, 0);
        waiting.trouble = None;
        if let Some(clock) = clock {
            waiting.queued(sent, clock);
        }
        // The first ask does not learn for how long; the look that follows at once does, by whoever asked.
        waiting.asks_next(now);
        if waiting.busy_from <= now {
            return self.refuse(now, id, Refusal::Busy);
        }
        if let Some(held_for) = held_for {
            let is_told = clock.is_some() && waiting.told_over.is_some();
            waiting.rest(now, ticket.token, held_for, is_told, self.queued);
        }
        self.file(id);
    }

    pub(super) fn troubled(&mut self, now: Moment, id: TicketId, error: StoreError) {
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        let give_up = match error.kind() {
            StoreErrorKind::NotExecuted if waiting.may_ask_again(now) => return self.file(id),
            StoreErrorKind::Refused => true,
            StoreErrorKind::Unready | StoreErrorKind::NotExecuted => waiting.busy_from <= now,
            StoreErrorKind::Disconnected => false,
        };
        // Whatever the store says of a failed ask, a part of it may have taken effect.
        waiting.doubt = waiting.doubt.and(waiting.carrier);
        waiting.trouble = Some(error.clone());
        waiting.pause(now, ticket.token);
        if give_up {
            self.refuse(now, id, Refusal::Unavailable(error));
        } else if planted(Mutant::RetryWithNewToken) {
            self.start_over(now, id, Some(error));
        }
    }

    fn report_time_out(&mut self, id: TicketId) {
        if let Some(Stage::Waiting(waiting)) = self.stage(id)
            && let (Phase::Asking { .. }, Some(line)) = (&waiting.phase, waiting.carrier)
        {
            self.actions.push(Action::TimedOut(line));
        }
    }
}
