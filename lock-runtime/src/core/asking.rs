//! From an arrival to a grant or a refusal: who asks the store, when, and what follows an ask that may have taken effect.
//!
//! The first ask goes by the task's own session, all later ones are looks by the keeper.
//! Must stay true: an ask that may have taken effect is followed by a release.

use std::time::Duration;

use super::lease::{self, Held};
use super::release::Releasing;
use super::renewal::Schedule;
use super::waiting::{Turn, Waiting, no_answer};
use super::{Action, Core, Doubt, Job, LineId, Refusal, Stage, Step, Terms, Ticket, TicketId, Wait};
use crate::clock::Moment;
use crate::key::LockKey;
use crate::store::{Acquired, Ask, Look, StoreError, StoreErrorKind, Token};

impl<S: Clone> Core<S> {
    /// An acquire begins.
    pub(crate) fn arrive(
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
        if terms.wait == Wait::AtMost(Duration::ZERO) && self.is_taken(&key) {
            return Err(Refusal::Busy);
        }
        let waiting = Waiting::new(now, self.next_id, terms.wait, self.operation_timeout);
        let stage = Stage::Waiting(waiting);
        let id = self.insert(Ticket { key: key.clone(), token, terms, seat, stage, filed: Moment::MAX });
        self.waiting += 1;
        let line = self.lines.entry(key).or_default();
        if line.is_free() {
            line.occupant = Some(id);
            self.give_turn(now, id);
        } else {
            self.join_line(id);
        }
        Ok(id)
    }

    /// What the task of this ticket does now; `line` is its own session's, if it has one.
    pub(crate) fn next(&mut self, now: Moment, id: TicketId, line: Option<LineId>) -> Step {
        let operation_timeout = self.operation_timeout;
        let Some(ticket) = self.tickets.get_mut(&id) else { return Step::Stand };
        let step = match &mut ticket.stage {
            Stage::Waiting(waiting) => match (&waiting.turn, line) {
                (Turn::Refused(refusal), _) => Step::Refused(refusal.clone()),
                (Turn::MayAsk { .. }, Some(line)) if waiting.carrier.is_none() => {
                    waiting.carrier = Some(line);
                    waiting.turn = Turn::Asking { sent: now, fails_at: now + operation_timeout, by_keeper: false };
                    Step::Ask(Ask { key: ticket.key.clone(), token: ticket.token, ttl: ticket.terms.ttl })
                }
                (Turn::MayAsk { .. }, _) => {
                    waiting.turn = Turn::MayAsk { keeper_from: now };
                    Step::Stand
                }
                (Turn::Asking { by_keeper: false, .. }, _) => Step::Asking,
                _ => Step::Stand,
            },
            Stage::Held(held) if held.over(now).is_none() => {
                held.claimed = true;
                Step::Granted { fence: held.fence, until: held.until() }
            }
            _ => Step::Stand,
        };
        if let Step::Refused(_) = step {
            self.remove(id);
            self.waiting -= 1;
        } else {
            self.file(id);
        }
        step
    }

    /// The ask that was sent at `sent` was answered.
    pub(crate) fn answered(&mut self, now: Moment, id: TicketId, sent: Moment, answer: Result<Acquired, StoreError>) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        if sent < waiting.since {
            return;
        }
        let current = waiting.is_current(sent);
        match answer {
            Ok(Acquired::Granted { fence }) if !matches!(waiting.turn, Turn::Refused(_)) => {
                self.grant(now, id, fence, sent);
            }
            Ok(Acquired::Held { for_at_most, .. }) if current => self.told_busy(now, id, sent, for_at_most),
            Err(error) if current => self.troubled(now, id, error),
            _ => {}
        }
        self.file(id);
    }

    /// The task of a ticket that had not been granted, or had not seen its grant, is gone.
    pub(crate) fn left(&mut self, now: Moment, id: TicketId) {
        match self.stage(id) {
            Some(Stage::Waiting(waiting)) => {
                if !matches!(waiting.turn, Turn::Refused(_)) {
                    self.step_out(now, id);
                }
                self.remove(id);
                self.waiting -= 1;
            }
            Some(Stage::Held(_)) => self.end(now, id, None),
            _ => {}
        }
        self.tick_closing(now);
    }

    /// Refuses everyone who waits.
    pub(super) fn refuse_waiting(&mut self, now: Moment) {
        let waiting: Vec<TicketId> = self
            .tickets
            .iter()
            .filter(|(_, ticket)| match &ticket.stage {
                Stage::Waiting(waiting) => !matches!(waiting.turn, Turn::Refused(_)),
                Stage::Held(held) => !held.claimed,
                Stage::Releasing(_) => false,
            })
            .map(|(&id, _)| id)
            .collect();
        for id in waiting {
            self.refuse(now, id, Refusal::ShuttingDown);
        }
    }

    pub(super) fn tick_waiting(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        let ticket = self.tickets.get_mut(&id)?;
        let Stage::Waiting(waiting) = &mut ticket.stage else { return None };
        match waiting.turn {
            _ if waiting.time_up <= now => {
                let blocked = self.occupants_trouble(id).or_else(|| self.outage.clone());
                let Some(Stage::Waiting(waiting)) = self.stage(id) else { return None };
                let refusal = waiting.time_up_refusal(blocked);
                self.report_time_out(id);
                self.refuse(now, id, refusal);
                None
            }
            Turn::InLine { impatient: false } => {
                self.grow_impatient(now, id);
                None
            }
            Turn::Resting { told_busy: true, .. } if waiting.busy_from <= now => {
                self.refuse(now, id, Refusal::Busy);
                None
            }
            Turn::Asking { fails_at, .. } if fails_at <= now => {
                self.report_time_out(id);
                self.troubled(now, id, no_answer());
                self.file(id);
                self.tick_waiting(now, id)
            }
            Turn::MayAsk { keeper_from: from } | Turn::Resting { until: from, .. } if from <= now => {
                self.ask_by_keeper(now, id)
            }
            _ => None,
        }
    }

    fn ask_by_keeper(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        let keeper = self.keeper;
        let ticket = self.tickets.get_mut(&id)?;
        let Stage::Waiting(waiting) = &mut ticket.stage else { return None };
        let Some(line) = keeper else {
            waiting.turn = Turn::Parked;
            self.parked.insert(id);
            self.file(id);
            return None;
        };
        let first = waiting.carrier.is_none();
        waiting.carrier = Some(line);
        // The keeper answers within the operation time-out; twice that is for a store that panics.
        waiting.turn = Turn::Asking { sent: now, fails_at: now + self.operation_timeout * 2, by_keeper: true };
        let (key, token, ttl) = (ticket.key.clone(), ticket.token, ticket.terms.ttl);
        self.file(id);
        Some(if first {
            Job::Acquire(id, Ask { key, token, ttl })
        } else {
            Job::Look(id, Look { key, token, ttl, fences: 1, entry: None })
        })
    }

    fn grant(&mut self, now: Moment, id: TicketId, fence: u64, sent: Moment) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let Stage::Waiting(waiting) = &ticket.stage else { return };
        let terms = ticket.terms;
        let held = Held {
            fence,
            ttl: terms.ttl,
            deadline: lease::deadline(sent, terms.ttl),
            hold_until: terms.max_hold.map_or(Moment::MAX, |max| now + max),
            keep_until: terms.min_hold.map_or(Moment::MIN, |min| now + min),
            schedule: if terms.renew { Schedule::start(sent, terms.ttl, ticket.token) } else { Schedule::never() },
            claimed: false,
            lost: None,
            // A late answer leaves in doubt what was asked since.
            doubt: if waiting.is_current(sent) { waiting.doubt } else { waiting.may_take_effect() },
            by_hand: None,
        };
        if held.over(now).is_some() {
            return self.granted_too_late(now, id);
        }
        if waiting.is_by_keeper() {
            self.actions.push(Action::Wake(ticket.seat.clone()));
        }
        ticket.stage = Stage::Held(held);
        self.waiting -= 1;
        self.held += 1;
        self.refuse_impatient(now, id, Moment::MAX);
    }

    /// The grant is given back, and the ticket goes on under a new token, behind the release of the old one.
    fn granted_too_late(&mut self, now: Moment, id: TicketId) {
        self.give_back(now, id);
        let order = self.next_id;
        self.next_id += 1;
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        ticket.token = ticket.token.successor();
        waiting.since = now;
        waiting.turn = Turn::InLine { impatient: waiting.busy_from <= now };
        waiting.order = order;
        waiting.carrier = None;
        waiting.doubt = Doubt::Nowhere;
        waiting.trouble =
            Some(StoreError::new(StoreErrorKind::Disconnected, "the store's answer came too late to be of use"));
        let key = ticket.key.clone();
        self.vacate(id);
        self.join_line(id);
        self.pass_turn(now, &key);
        self.wake(id);
    }

    fn told_busy(&mut self, now: Moment, id: TicketId, sent: Moment, held_for: Option<Duration>) {
        self.refuse_impatient(now, id, sent);
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        waiting.answered = true;
        waiting.trouble = None;
        // The first ask does not learn for how long; the look that follows at once does.
        waiting.turn = Turn::MayAsk { keeper_from: now };
        if waiting.busy_from <= now {
            return self.refuse(now, id, Refusal::Busy);
        }
        if let Some(held_for) = held_for {
            waiting.rest(now, ticket.token, held_for);
        }
    }

    fn troubled(&mut self, now: Moment, id: TicketId, error: StoreError) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        let give_up = match error.kind() {
            StoreErrorKind::Refused => true,
            StoreErrorKind::Unready => waiting.busy_from <= now,
            StoreErrorKind::Disconnected => false,
        };
        // Whatever the store says of a failed ask, a part of it may have taken effect.
        waiting.doubt = waiting.doubt.and(waiting.carrier);
        waiting.trouble = Some(error.clone());
        waiting.pause(now, ticket.token);
        if give_up {
            self.refuse(now, id, Refusal::Unavailable(error));
        }
    }

    /// Ends a ticket without a grant; its task has yet to hear of it.
    pub(super) fn refuse(&mut self, now: Moment, id: TicketId, refusal: Refusal) {
        if let Some(Stage::Held(_)) = self.stage(id) {
            self.held -= 1;
            self.waiting += 1;
        }
        self.step_out(now, id);
        if let Some(stage) = self.stage_mut(id) {
            *stage = Stage::Waiting(Waiting::refused(refusal));
        }
        self.wake(id);
        self.file(id);
    }

    /// Leaves the line, and follows what may have taken effect by a release.
    fn step_out(&mut self, now: Moment, id: TicketId) {
        self.give_back(now, id);
        self.vacate(id);
        if let Some(ticket) = self.tickets.get(&id) {
            let key = ticket.key.clone();
            self.pass_turn(now, &key);
        }
    }

    /// Queues a release of the ticket's token, if there is anything to release.
    fn give_back(&mut self, now: Moment, id: TicketId) {
        let Some(ticket) = self.tickets.get(&id) else { return };
        let doubt = match &ticket.stage {
            Stage::Waiting(waiting) if waiting.may_take_effect() != Doubt::Nowhere => waiting.may_take_effect(),
            Stage::Held(held) => held.doubt,
            _ => return,
        };
        let orphan = Ticket {
            key: ticket.key.clone(),
            token: ticket.token,
            terms: ticket.terms,
            seat: ticket.seat.clone(),
            stage: Stage::Releasing(Releasing::orphan(now, ticket.terms.ttl, doubt)),
            filed: Moment::MAX,
        };
        self.lines.entry(orphan.key.clone()).or_default().releasing += 1;
        self.insert(orphan);
    }

    fn report_time_out(&mut self, id: TicketId) {
        if let Some(Stage::Waiting(Waiting { turn: Turn::Asking { .. }, carrier: Some(line), .. })) = self.stage(id) {
            self.actions.push(Action::TimedOut(*line));
        }
    }
}
