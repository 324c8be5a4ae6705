//! How a waiter stands in the store's queue: its looks, its entry, and over which line it hears of its grant.
//!
//! Must stay true: a token has one entry; a look goes over the line where the waiter hears, so that the clock that it
//! reads is that of the store that tells.

use super::hand_over::LONGEST_ROW;
use super::line::Line;
use super::waiting::{Phase, Waiting, alive_for};
use super::{Core, Job, SessionId, Settings, Stage, TicketId, looks};
use crate::store::Moment;
use crate::store::{Entry, Look};

impl<S: Clone> Core<S> {
    /// A look that is sent on this line now.
    pub(super) fn look(&mut self, now: Moment, id: TicketId, line: SessionId, by_task: bool) -> Option<Look> {
        let entry = self.stand_in_line(now, id);
        // The keeper answers within the operation time-out; twice that is for a store that panics.
        let fails_at = now + self.settings.operation_timeout * if by_task { 1 } else { 2 };
        let ticket = self.tickets.get_mut(id)?;
        let Stage::Waiting(waiting) = &mut ticket.stage else { return None };
        let fences = entry.as_ref().map_or(1, |entry| entry.fences);
        waiting.carrier = Some(line);
        waiting.looked = now;
        waiting.phase = Phase::Asking { sent: now, fails_at, by_task, fences };
        let look = Look { key: ticket.key.clone(), token: ticket.token, ttl: waiting.terms.ttl, fences, entry };
        self.file(id);
        Some(look)
    }

    /// The line is gone over which this ticket would have heard of its grant, and its look was not sent: it goes to its
    /// old place under a new token, whose listener is another one.
    pub fn cut_off(&mut self, now: Moment, id: TicketId) {
        let Some(Stage::Waiting(waiting)) = self.stage_mut(id) else { return };
        if waiting.is_by_task() || !matches!(waiting.phase, Phase::Asking { .. }) {
            return;
        }
        waiting.phase = Phase::MayAsk { keeper_from: now };
        waiting.home = None;
        self.give_back(now, id);
        self.start_over(now, id, None);
    }

    /// The keeper's line is a new one: whoever stands in the queue looks whether a message was lost, and what was read
    /// of the old one's clock counts no more.
    pub(super) fn look_again(&mut self, now: Moment) {
        let (listener, told_over) = (self.settings.listener, self.keeper.filter(|_| self.listening));
        self.each_queued(|waiting| {
            if waiting.entry.as_ref().is_some_and(|(entry, _)| entry.listener == listener) {
                waiting.look_again(now, told_over);
            }
        });
    }

    /// A runtime's line is there no more: whoever would have heard of a grant over it looks at once, finds it gone, and goes
    /// to its old place under another name. Until then the store counts it as gone.
    pub fn line_gone(&mut self, now: Moment, line: SessionId) {
        self.each_queued(|waiting| {
            if waiting.told_over == Some(line) {
                waiting.hurry_look(now);
            }
        });
    }

    /// Does this to all who may stand in a queue at the store.
    fn each_queued(&mut self, change: impl Fn(&mut Waiting)) {
        let known: Vec<TicketId> = self.by_token.values().copied().collect();
        for id in known {
            if let Some(Stage::Waiting(waiting)) = self.stage_mut(id) {
                change(waiting);
                self.file(id);
            }
        }
    }

    /// Looks that were put off and may be sent now.
    pub(super) fn serve_looks(&mut self, now: Moment, jobs: &mut Vec<Job>) {
        while let Some((last, id)) = self.looks.next(now) {
            let Some(Stage::Waiting(waiting)) = self.stage_mut(id) else { continue };
            if !matches!(waiting.phase, Phase::PutOff) || waiting.looked != last {
                continue;
            }
            waiting.hurry_look(now);
            self.looks.went(now);
            jobs.extend(self.ask_by_keeper(now, id));
        }
    }

    /// The ticket's place in the store's queue, unless it does not wait: what it asked for first under its token stays.
    pub(super) fn stand_in_line(&mut self, now: Moment, id: TicketId) -> Option<Entry> {
        let Settings { listener, local_handover, .. } = self.settings;
        let keepers = self.keeper.filter(|_| self.listening);
        let ticket = self.tickets.get(id)?;
        let others = self.lines.get(&ticket.key).map_or(0, Line::waiters);
        let round_trip = self.first_lease.round_trip();
        let first_lease = self.first_lease.of(match &ticket.stage {
            Stage::Waiting(waiting) => &waiting.terms,
            _ => return None,
        });
        let Some(Stage::Waiting(waiting)) = self.stage_mut(id) else { return None };
        if !waiting.may_queue(now) {
            return None;
        }
        if waiting.entry.is_none() {
            let (listener, told_over) = match waiting.home {
                Some((line, listener)) => (listener, Some(line)),
                None => (listener, keepers),
            };
            // Where others of this process may have the lease after it, as many as a run may need.
            let fences = if others > 0 && local_handover { LONGEST_ROW } else { 1 };
            let entry = Entry { listener, first_lease, fences, since: waiting.place, alive_for: None, lasts: None };
            waiting.entry = Some((entry, now));
            waiting.told_over = told_over;
            self.queued += 1;
        }
        let Some(Stage::Waiting(waiting)) = self.stage(id) else { return None };
        let (entry, _) = waiting.entry.as_ref()?;
        let alive_for = waiting.told_over.is_none().then(|| alive_for(round_trip));
        let lasts = looks::queue_lasts(self.queued);
        let entry = Entry { alive_for, lasts, ..entry.clone() };
        if let Some(Stage::Waiting(waiting)) = self.stage_mut(id) {
            waiting.queue_lasts = lasts.unwrap_or(looks::QUEUE_LASTS);
        }
        self.know(id);
        Some(entry)
    }
}
