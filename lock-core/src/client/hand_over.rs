//! How a lock goes from hand to hand: inside this process without a word to the store, by a rotation that queues behind
//! others, and by the store's message that it is ours.
//!
//! Must stay true: a lease passes on a bounded number of times and for a bounded time, then other processes have their
//! rotation; each holder has a fence of its own; a grant of a token that nobody waits for is given back.

use std::time::Duration;

use super::lease::{By, Fences, Granted};
use super::line::Line;
use super::releasing::{Releasing, Rotating};
use super::waiting::Phase;
use super::{Core, SessionId, Stage, TicketId};
use crate::planted::{Mutant, planted};
use crate::store::Moment;
use crate::store::{Grant, Release, Released, Rotate, Rotated, StoreError};

/// How many holders of one process have a lease in a row, until others have their turn. They end with their fences.
pub(super) const LONGEST_ROW: u32 = 32;
/// For how long the lease passes on.
const LONGEST_RUN: Duration = Duration::from_millis(20);
/// How many grants that nobody waited for are given back at a time, and for how long that is tried.
const MOST_HANDED_BACK: usize = 64;
const LONGEST_HAND_BACK: Duration = Duration::from_secs(30);
/// For how long a key counts as held that a rotation has just handed to another process.
const JUST_HANDED: Duration = Duration::from_secs(1);

impl<S: Clone> Core<S> {
    /// The store handed a key to one of our tokens, and said so over this line; whether somebody waited for it. Anybody
    /// can forge such a message, but for the token in it.
    pub fn handed(&mut self, now: Moment, line: SessionId, grant: Grant) -> bool {
        let Some(&id) = self.by_token.get(&grant.token) else {
            self.hand_back(now, grant);
            return false;
        };
        let Some(Stage::Waiting(waiting)) = self.stage(id) else {
            // Its grant was seen before, and no other counts.
            return false;
        };
        if waiting.told_over != Some(line) {
            // The clock that it is counted by may be another one's; a look over the new line follows.
            return true;
        }
        let counted = waiting.handed_not_before(grant.clock).min(now);
        let granted = Granted {
            fences: Fences::block(grant.fence, grant.fences),
            from: if planted(Mutant::HandOverFromArrival) { now } else { counted },
            by: By::Message { first_lease: grant.first_lease },
        };
        if self.grant(now, id, granted) {
            self.tally.by_message += 1;
            self.lengthen_for_heirs(now, id);
        }
        true
    }

    /// A first lease is too short to pass on inside the process, and so it is renewed while its first holder has it.
    fn lengthen_for_heirs(&mut self, now: Moment, id: TicketId) {
        let waiters = self.tickets.get(id).and_then(|ticket| self.lines.get(&ticket.key)).map_or(0, Line::waiters);
        if let Some(Stage::Held(held)) = self.stage_mut(id)
            && held.schedule.is_automatic()
            && held.fences.spare > 0
            && waiters > 0
        {
            held.schedule.hurry(now);
            self.file(id);
        }
    }

    /// Nobody waits for it any more, or nobody ever did: it is given back, and nobody waits for that. What a stranger can
    /// have said is bounded; beyond that a grant is left to its first lease.
    fn hand_back(&mut self, now: Moment, grant: Grant) {
        if self.handed_back < MOST_HANDED_BACK {
            self.handed_back += 1;
            let lasts = grant.first_lease.min(LONGEST_HAND_BACK);
            self.insert_orphan(grant.key, grant.token, Releasing::handed_back(now, lasts));
        }
    }

    /// The lease of a holder that ends goes to the next in line without asking the store, if it may.
    pub(super) fn pass_on(&mut self, now: Moment, id: TicketId, is_wanted: bool) -> bool {
        let Some(heir) = self.heir_without_asking(now, id) else { return false };
        let Some(Stage::Held(held)) = self.stage(id) else { return false };
        let Some(fences) = held.fences.rest() else { return false };
        let Some(Stage::Waiting(waiting)) = self.stage(heir) else { return false };
        let heirs_terms = waiting.terms;
        self.vacate(heir);
        let passed_on = Stage::Releasing(self.spare_releasing.put_into(Releasing::passed_on(now, is_wanted)));
        let Some(Stage::Held(held)) = self.stage_mut(id).map(|stage| std::mem::replace(stage, passed_on)) else {
            return false;
        };
        self.settled += 1;
        self.bequeath_token(id, heir, held.schedule.is_in_flight());
        let Some(ticket) = self.tickets.get_mut(heir) else { return false };
        // For the time between two lines; nobody sees it.
        let nobody = Stage::Releasing(self.spare_releasing.put_into(Releasing::passed_on(now, false)));
        let waiting = match std::mem::replace(&mut ticket.stage, nobody) {
            Stage::Waiting(mut waiting) if !held.has_enough_for(now, &heirs_terms) => {
                waiting.since = now;
                Some(waiting)
            }
            Stage::Waiting(waiting) => {
                // It stood in the local line alone.
                debug_assert!(waiting.entry.is_none());
                self.spare_waiting.keep(waiting);
                None
            }
            _ => None,
        };
        let held = Stage::Held(held.passed_on(now, fences, &heirs_terms, waiting));
        if let Stage::Releasing(nobody) = std::mem::replace(&mut ticket.stage, held) {
            self.spare_releasing.keep(nobody);
        }
        if let Some(line) = self.lines.get_mut(&ticket.key) {
            line.occupant = Some(heir);
        }
        self.waiting -= 1;
        self.tally.locally += 1;
        self.wake(heir);
        self.file(heir);
        if is_wanted {
            self.file(id);
        } else {
            self.remove(id);
        }
        true
    }

    /// Who gets the lease, if it may pass on.
    fn heir_without_asking(&self, now: Moment, id: TicketId) -> Option<TicketId> {
        let ticket = self.tickets.get(id)?;
        let Stage::Held(held) = &ticket.stage else { return None };
        let may = self.settings.local_handover
            && self.closing.is_none()
            && held.lost.is_none()
            && held.keep_until <= now
            && now < held.deadline
            && now < held.came_at + LONGEST_RUN;
        self.lines.get(&ticket.key)?.heir().filter(|_| may)
    }

    /// The heir has the lease's token from now on.
    fn bequeath_token(&mut self, from: TicketId, heir: TicketId, is_renewing: bool) {
        self.forget_token(heir);
        let Some(ticket) = self.tickets.get(from) else { return };
        let (token, known) = (ticket.token, ticket.known);
        self.forget_token(from);
        if let Some(ticket) = self.tickets.get_mut(heir) {
            ticket.token = token;
        }
        // The answer to a renewal under way looks for the first of them.
        if known || is_renewing {
            self.know(heir);
        }
    }

    /// The next in line asks by the turn of the one before it.
    pub(super) fn take_rotation(
        &mut self,
        now: Moment,
        of: &Release,
        next: TicketId,
        line: SessionId,
    ) -> Option<Rotate> {
        let Some(Stage::Waiting(waiting)) = self.stage(next) else { return None };
        if !waiting.may_queue(now) {
            return None;
        }
        self.vacate(next);
        self.lines.entry(of.key.clone()).or_default().occupant = Some(next);
        let entry = self.stand_in_line(now, next)?;
        let fails_at = now + self.settings.operation_timeout * 2;
        let ticket = self.tickets.get_mut(next)?;
        let Stage::Waiting(waiting) = &mut ticket.stage else { return None };
        waiting.carrier = Some(line);
        waiting.looked = now;
        waiting.phase = Phase::Asking { sent: now, fails_at, by_task: false, fences: entry.fences };
        let (ttl, token) = (waiting.terms.ttl, ticket.token);
        self.file(next);
        Some(Rotate { key: of.key.clone(), token: of.token, ttl, fences: entry.fences, next: token, entry })
    }

    /// A rotation was answered.
    pub(super) fn rotated(&mut self, now: Moment, id: TicketId, answer: Rotated) {
        let Some(Stage::Releasing(releasing)) = self.stage_mut(id) else { return };
        let Some((Rotating { next, sent }, is_last_word)) = releasing.take_rotation() else { return };
        let (doubt, longest_ttl) = (releasing.doubt(), releasing.longest_ttl());
        let is_waited_for = match self.stage(next) {
            Some(Stage::Waiting(waiting)) => waiting.is_current(sent),
            _ => false,
        };
        match answer {
            Rotated::Retained { fence } if is_last_word && is_waited_for => {
                self.bequeath_token(id, next, false);
                self.over(now, id, Ok(Released::Freed));
                let Some(Stage::Waiting(waiting)) = self.stage_mut(next) else { return };
                (waiting.doubt, waiting.longest_ttl) = (doubt, longest_ttl);
                let fences = Fences::block(fence, waiting.fences_asked_at(sent));
                self.grant(now, next, Granted { fences, from: sent, by: By::Answer });
            }
            Rotated::Retained { .. } => {
                if let (true, Some(Stage::Releasing(releasing))) = (is_last_word, self.stage_mut(id)) {
                    releasing.give_plainly(now);
                }
                self.ask_anew(now, next, sent);
            }
            Rotated::HandedOver { clock } => {
                self.over(now, id, Ok(Released::Freed));
                if is_waited_for {
                    self.told_busy(now, next, sent, Some(JUST_HANDED), Some(clock));
                }
            }
            Rotated::Freed => {
                self.over(now, id, Ok(Released::Freed));
                self.ask_anew(now, next, sent);
            }
            Rotated::NotOurs => {
                self.over(now, id, Ok(Released::NotOurs));
                self.ask_anew(now, next, sent);
            }
        }
    }

    /// A rotation had no good answer: nobody knows whether the next in line stands in the store's queue.
    pub(super) fn rotation_failed(&mut self, now: Moment, rotation: Rotating, error: StoreError) {
        if let Some(Stage::Waiting(waiting)) = self.stage(rotation.next)
            && waiting.is_current(rotation.sent)
        {
            self.troubled(now, rotation.next, error);
            self.file(rotation.next);
        }
    }

    /// The next in line was not put into the store's queue, and asks by itself.
    fn ask_anew(&mut self, now: Moment, next: TicketId, sent: Moment) {
        let Some(ticket) = self.tickets.get_mut(next) else { return };
        let Stage::Waiting(waiting) = &mut ticket.stage else { return };
        if !waiting.is_current(sent) {
            return;
        }
        self.queued -= usize::from(waiting.entry.is_some());
        waiting.start_over(now);
        self.forget_token(next);
        self.give_turn(now, next);
        self.wake(next);
    }
}
