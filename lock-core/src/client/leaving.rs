//! How a ticket ends without a lease: its task gives up, or it is refused.
//!
//! Must stay true: what may have taken effect is followed by a release, which also takes the token out of the queue.

use super::releasing::Releasing;
use super::waiting::{Phase, Waiting};
use super::{Core, Doubt, Refusal, Stage, Ticket, TicketId};
use crate::store::LockKey;
use crate::store::Moment;
use crate::store::Token;

impl<S: Clone> Core<S> {
    /// The task of a ticket that had not been granted, or had not seen its grant, is gone.
    pub fn left(&mut self, now: Moment, id: TicketId) {
        match self.stage(id) {
            Some(Stage::Waiting(waiting)) => {
                if !matches!(waiting.phase, Phase::Refused(_)) {
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
                Stage::Waiting(waiting) => !matches!(waiting.phase, Phase::Refused(_)),
                // One that is lost has heard so, or will.
                Stage::Held(held) => !held.claimed && held.lost.is_none(),
                Stage::Releasing(_) => false,
            })
            .map(|(id, _)| id)
            .collect();
        for id in waiting {
            self.refuse(now, id, Refusal::ShuttingDown);
        }
    }

    /// Ends a ticket without a grant; its task has yet to hear of it.
    pub(super) fn refuse(&mut self, now: Moment, id: TicketId, refusal: Refusal) {
        if let Some(Stage::Held(held)) = self.stage(id) {
            self.held -= usize::from(held.lost.is_none());
            self.waiting += 1;
        }
        self.step_out(now, id);
        self.forget_token(id);
        let refused = self.spare_waiting.put_into(Waiting::refused(refusal));
        if let Some(stage) = self.stage_mut(id)
            && let Stage::Waiting(waiting) = std::mem::replace(stage, Stage::Waiting(refused))
        {
            self.waits_no_more(waiting);
        }
        self.wake(id);
        self.file(id);
    }

    /// Leaves the line, and follows what may have taken effect by a release.
    fn step_out(&mut self, now: Moment, id: TicketId) {
        self.give_back(now, id);
        self.vacate(id);
        if let Some(ticket) = self.tickets.get(id) {
            let key = ticket.key.clone();
            self.pass_turn(now, &key);
        }
    }

    /// Queues a release of the ticket's token, if there is anything to release.
    pub(super) fn give_back(&mut self, now: Moment, id: TicketId) {
        let Some(ticket) = self.tickets.get(id) else { return };
        let (doubt, entry, ttl) = match &ticket.stage {
            Stage::Waiting(waiting) => {
                let longest_ttl = waiting.terms.ttl.max(waiting.longest_ttl);
                (waiting.may_take_effect(), waiting.entry.as_ref().map(|(entry, _)| entry), longest_ttl)
            }
            Stage::Held(held) => (held.in_doubt(), held.entry(), held.longest_ttl),
            Stage::Releasing(_) => return,
        };
        if doubt == Doubt::Nowhere && entry.is_none() && matches!(ticket.stage, Stage::Waiting(_)) {
            return;
        }
        let releasing = Releasing::orphan(now, ttl, doubt, entry.cloned());
        self.insert_orphan(ticket.key.clone(), ticket.token, releasing);
    }

    /// Gives back a token that no task of ours waits for.
    pub(super) fn insert_orphan(&mut self, key: LockKey, token: Token, releasing: Releasing) {
        if releasing.holds_line() {
            self.lines.entry(key.clone()).or_default().releasing += 1;
        }
        let stage = Stage::Releasing(self.spare_releasing.put_into(releasing));
        self.insert(Ticket { key, token, seat: None, stage, known: false });
    }
}
