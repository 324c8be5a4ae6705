//! A lease while it is held: its renewals, and how it is lost.
//!
//! Must stay true: an error is not a loss; a loss is final; a grant that no task has looked at is not kept alive.

use std::time::Duration;

use super::waiting::no_answer;
use super::{Action, Core, Job, Refusal, Stage, Ticket, TicketId};
use crate::planted::{Mutant, planted};
use crate::store::LockKey;
use crate::store::LossReason;
use crate::store::Moment;
use crate::store::{Renewal, Renewed, StoreError, StoreErrorKind, Token};

impl<S: Clone> Core<S> {
    /// A renewal that was sent at `sent` was answered; the lease may have changed its holder since.
    pub fn renewed(
        &mut self,
        now: Moment,
        id: TicketId,
        token: Token,
        sent: Moment,
        ttl: Duration,
        answer: Result<Renewed, StoreError>,
    ) {
        let id = self.holder_of(id, token);
        let rhythm = self.rhythm(id);
        let Some(ticket) = self.tickets.get_mut(id).filter(|ticket| ticket.token == token) else { return };
        let Stage::Held(held) = &mut ticket.stage else { return };
        if held.lost.is_some() {
            return;
        }
        if let Some(reason) = held.over(now) {
            // A late "yes" never revives.
            return self.end_by_clock(now, id, reason);
        }
        let sent = if planted(Mutant::ClockFromReply) { now } else { sent };
        match answer {
            Err(_) if planted(Mutant::FailedRenewalCounts) => {
                held.renewed(sent, ttl);
                held.schedule.succeeded(now, held.ttl, rhythm);
            }
            Ok(Renewed::Renewed) => {
                if std::mem::take(&mut held.first_lease) {
                    self.first_lease.was_long_enough();
                }
                held.renewed(sent, ttl);
                held.schedule.succeeded(now, held.ttl, rhythm);
                if let Some(waiting) = held.waiting.take_if(|waiting| waiting.since <= sent) {
                    held.begin(now, &waiting.terms);
                    self.wake(id);
                } else if held.is_ready() {
                    let extended = ticket.seat.clone().map(|seat| Action::Extend(seat, held.until()));
                    self.actions.extend(extended);
                    self.tell_by_hand(id, |renewals| renewals.confirmed(sent, ttl));
                    self.hurry_by_hand(now, id);
                } else {
                    held.schedule.hurry(now);
                }
            }
            Ok(Renewed::NotOurs) if !held.is_ready() => self.passed_on_too_late(now, id),
            Ok(Renewed::NotOurs) if !held.claimed => self.refuse(now, id, Refusal::Unavailable(lost_unseen())),
            Ok(Renewed::NotOurs) => self.lose(now, id, LossReason::Stolen),
            Err(error) => {
                held.schedule.failed(now, sent, held.ttl, rhythm);
                let for_good = error.kind() == StoreErrorKind::Refused;
                self.tell_by_hand(id, |renewals| renewals.failed(&error, for_good));
            }
        }
        self.file(id);
    }

    /// What is held by this token, which was this ticket's when a renewal of it was sent.
    pub fn key_of_lease(&self, id: TicketId, token: Token) -> Option<&LockKey> {
        self.tickets.get(self.holder_of(id, token)).map(|ticket| &ticket.key)
    }

    /// Whose lease this token is, which was this ticket's when a renewal of it was sent.
    fn holder_of(&self, id: TicketId, token: Token) -> TicketId {
        match self.tickets.get(id) {
            Some(Ticket { stage: Stage::Held(_), token: current, .. }) if *current == token => id,
            _ => self.by_token.get(&token).copied().unwrap_or(id),
        }
    }

    /// The clock has ended a lease.
    fn end_by_clock(&mut self, now: Moment, id: TicketId, reason: LossReason) {
        match self.stage(id) {
            Some(Stage::Held(held)) if !held.is_ready() => self.passed_on_too_late(now, id),
            Some(Stage::Held(held)) if !held.claimed => self.refuse(now, id, Refusal::Unavailable(not_polled())),
            _ => self.lose(now, id, reason),
        }
    }

    /// The lease's own task found its time over: answers until when it is not, or how the lease was lost.
    pub fn lapsed(&mut self, now: Moment, id: TicketId) -> Result<Moment, LossReason> {
        let Some(Stage::Held(held)) = self.stage(id) else { return Err(LossReason::Expired) };
        match held.lost.or(held.over(now)) {
            None => Ok(held.until()),
            Some(reason) => {
                if held.lost.is_none() {
                    self.lose(now, id, reason);
                }
                Err(reason)
            }
        }
    }

    /// Leaves a lease to its ttl, because the process ends in the middle of a step of its body.
    pub fn forget(&mut self, now: Moment, id: TicketId) {
        if let Some(Stage::Held(held)) = self.stage(id) {
            self.held -= usize::from(held.lost.is_none());
            self.vacate(id);
            self.remove(id);
            self.tick_closing(now);
        }
    }

    pub(super) fn tick_held(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        let (connected, rhythm) = (self.keeper.is_some(), self.rhythm(id));
        let ticket = self.tickets.get_mut(id)?;
        let Stage::Held(held) = &mut ticket.stage else { return None };
        if let (None, Some(reason)) = (held.lost, held.over(now)) {
            self.end_by_clock(now, id, reason);
            return None;
        }
        if let Some(waiting) = held.waiting.as_ref().filter(|waiting| waiting.time_up <= now) {
            // A neighbour held it until a moment ago, unless the store had the time to answer since.
            let had_time = waiting.since + self.settings.operation_timeout <= now;
            let error = self.outage.clone().or_else(|| had_time.then(no_answer));
            self.refuse(now, id, error.map_or(Refusal::Busy, Refusal::Unavailable));
            return None;
        }
        if held.schedule.timed_out(now) {
            held.schedule.give_up(now, held.ttl, rhythm);
        }
        let mut job = None;
        if held.is_kept_alive() && held.schedule.wants(now) {
            if !held.is_to_be_renewed() {
                // One that failed was of the holder before, or is not awaited any more.
                held.schedule.park();
            } else if connected {
                held.schedule.sent(now, held.ttl);
                let ttl = held.next_ttl();
                held.longest_ttl = held.longest_ttl.max(ttl);
                let renewal = Renewal { key: ticket.key.clone(), token: ticket.token, ttl };
                job = Some(Job::Renew(id, renewal));
            } else {
                held.schedule.park();
                self.parked.insert(id);
            }
        }
        self.tell_by_hand(id, |renewals| renewals.give_up(now));
        self.file(id);
        job
    }

    /// Who renews by hand is not served by one that was under way before.
    fn hurry_by_hand(&mut self, now: Moment, id: TicketId) {
        if let Some(Stage::Held(held)) = self.stage_mut(id)
            && held.renews_by_hand()
        {
            held.schedule.hurry(now);
        }
    }

    /// The lease is lost, and stays so; it is released when its body is gone.
    pub(super) fn lose(&mut self, now: Moment, id: TicketId, reason: LossReason) {
        let Some(ticket) = self.tickets.get_mut(id) else { return };
        let Stage::Held(held) = &mut ticket.stage else { return };
        held.lost = Some(reason);
        if held.first_lease {
            self.first_lease.was_too_short();
        }
        let key = ticket.key.clone();
        self.held -= 1;
        self.actions.extend(ticket.seat.clone().map(|seat| Action::Lose(seat, reason)));
        self.vacate(id);
        self.file(id);
        self.pass_turn(now, &key);
    }
}

fn lost_unseen() -> StoreError {
    let text = "the lock was granted, and lost again before its task was polled";
    StoreError::new(StoreErrorKind::Disconnected, text)
}

fn not_polled() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the lock was granted, but its task was not polled before it expired")
}
