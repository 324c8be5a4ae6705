//! The tickets of one key, and whose turn it is.
//!
//! A line's occupant alone asks the store, or holds. Must stay true: turns are given in the order of arrival; nobody has
//! the turn while a release of the key has yet to be answered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::waiting::Phase;
use super::{Core, Refusal, Stage, TicketId};
use crate::store::LockKey;
use crate::store::Moment;
use crate::store::StoreError;

/// How long a task whose turn it is may take to ask by itself; then the keeper asks for it.
pub(super) const PATIENCE: Duration = Duration::from_millis(10);

/// The tickets of one key, in the order in which they came.
#[derive(Debug)]
pub(super) struct Line {
    /// Who asks or holds.
    pub(super) occupant: Option<TicketId>,
    /// Releases that have yet to be answered; nobody asks before.
    pub(super) releasing: u32,
    /// When the key was last known to be held; whoever came before that has waited for a busy key.
    held_at: Moment,
    /// None if there never was anybody: most keys are nobody else's.
    others: Option<Box<Others>>,
}

/// Those who neither ask nor hold, by order of arrival.
#[derive(Debug, Default)]
struct Others {
    queue: BTreeMap<u64, TicketId>,
    /// Those whose time to wait is over, and who wait only to hear whether the key is free.
    impatient: BTreeMap<u64, TicketId>,
}

impl Default for Line {
    fn default() -> Self {
        Self { occupant: None, releasing: 0, held_at: Moment::MIN, others: None }
    }
}

impl Line {
    pub(super) fn is_free(&self) -> bool {
        self.occupant.is_none() && self.releasing == 0
    }

    /// Who has waited longest, of those whose time to wait is not over.
    pub(super) fn heir(&self) -> Option<TicketId> {
        self.others.as_ref()?.queue.values().next().copied()
    }

    pub(super) fn waiters(&self) -> usize {
        self.others.as_ref().map_or(0, |others| others.queue.len())
    }

    fn pop(&mut self) -> Option<TicketId> {
        let Others { queue, impatient } = self.others.as_deref_mut()?;
        let order = |line: &BTreeMap<u64, TicketId>| line.first_key_value().map_or(u64::MAX, |(&order, _)| order);
        let line = if order(queue) < order(impatient) { queue } else { impatient };
        line.pop_first().map(|(_, id)| id)
    }
}

impl<S: Clone> Core<S> {
    /// Takes the ticket out of its line.
    pub(super) fn vacate(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(id) else { return };
        let Some(line) = self.lines.get_mut(&ticket.key) else { return };
        if line.occupant == Some(id) {
            line.occupant = None;
        } else if let (Stage::Waiting(waiting), Some(others)) = (&ticket.stage, &mut line.others) {
            others.queue.remove(&waiting.order);
            others.impatient.remove(&waiting.order);
        }
    }

    pub(super) fn join_line(&mut self, id: TicketId) {
        let Some(ticket) = self.tickets.get(id) else { return };
        let Stage::Waiting(waiting) = &ticket.stage else { return };
        let line = self.lines.entry(ticket.key.clone()).or_default();
        let others = line.others.get_or_insert_default();
        match waiting.phase {
            Phase::InLine { impatient: true } => others.impatient.insert(waiting.order, id),
            _ => others.queue.insert(waiting.order, id),
        };
    }

    /// Gives the turn to the next in line, if the line is free.
    pub(super) fn pass_turn(&mut self, now: Moment, key: &LockKey) {
        let Some(line) = self.lines.get_mut(key) else { return };
        if !line.is_free() {
            return;
        }
        let Some(id) = line.pop() else {
            self.lines.remove(key);
            return;
        };
        line.occupant = Some(id);
        self.give_turn(now, id);
        self.wake(id);
    }

    pub(super) fn give_turn(&mut self, now: Moment, id: TicketId) {
        if let Some(Stage::Waiting(waiting)) = self.stage_mut(id) {
            waiting.phase = Phase::MayAsk { keeper_from: now + PATIENCE };
        }
        self.file(id);
    }

    /// Its time to wait is over, but it may not have heard whether the key is free.
    pub(super) fn grow_impatient(&mut self, now: Moment, id: TicketId) {
        let Some(key) = self.tickets.get(id).map(|ticket| ticket.key.clone()) else { return };
        if self.is_taken(now, &key) {
            return self.refuse(now, id, Refusal::Busy);
        }
        self.vacate(id);
        if let Some(Stage::Waiting(waiting)) = self.stage_mut(id) {
            waiting.phase = Phase::InLine { impatient: true };
        }
        self.join_line(id);
        self.ask_for_news(now, id);
        self.file(id);
    }

    /// The key was seen to be held, by an ask that was sent at `sent` or by a grant to `winner`.
    pub(super) fn refuse_impatient(&mut self, now: Moment, winner: TicketId, sent: Moment) {
        let Some(key) = self.tickets.get(winner).map(|ticket| &ticket.key) else { return };
        let Some(line) = self.lines.get_mut(key) else { return };
        line.held_at = line.held_at.max(sent.min(now));
        let Some(others) = &line.others else { return };
        let impatient: Vec<TicketId> = others.impatient.values().copied().collect();
        let heard: Vec<TicketId> = impatient.into_iter().filter(|&id| self.came_before(id, sent)).collect();
        for id in heard {
            self.refuse(now, id, Refusal::Busy);
        }
    }

    fn came_before(&self, id: TicketId, sent: Moment) -> bool {
        matches!(self.stage(id), Some(Stage::Waiting(waiting)) if waiting.arrived <= sent)
    }

    /// Whether somebody of this process holds the key or was told just now that somebody else does.
    pub(super) fn is_taken(&self, now: Moment, key: &LockKey) -> bool {
        let occupant = self.lines.get(key).and_then(|line| line.occupant);
        match occupant.and_then(|id| self.stage(id)) {
            Some(Stage::Held(held)) => held.lost.is_none(),
            Some(Stage::Waiting(waiting)) => waiting.is_busy_for_sure(now),
            _ => false,
        }
    }

    /// One who does not wait, or no longer, stands in line to hear whether the key is free: if its occupant was told a
    /// while ago that it is held, it looks again.
    pub(super) fn ask_for_news(&mut self, now: Moment, id: TicketId) {
        let Some(ticket) = self.tickets.get(id) else { return };
        if !matches!(&ticket.stage, Stage::Waiting(waiting) if matches!(waiting.phase, Phase::InLine { impatient: true }))
        {
            return;
        }
        let Some(occupant) = self.lines.get(&ticket.key).and_then(|line| line.occupant) else { return };
        if let Some(Stage::Waiting(waiting)) = self.stage_mut(occupant)
            && waiting.is_told_busy()
            && !waiting.is_busy_for_sure(now)
        {
            waiting.hurry_look(now);
            self.file(occupant);
        }
    }

    /// The key was held until now, by somebody of this process.
    pub(super) fn was_held(&mut self, now: Moment, key: &LockKey) {
        if let Some(line) = self.lines.get_mut(key) {
            line.held_at = now;
        }
    }

    /// Whether the key was held while this ticket waited for it.
    pub(super) fn has_waited_for_a_holder(&self, id: TicketId) -> bool {
        let line = self.tickets.get(id).and_then(|ticket| self.lines.get(&ticket.key));
        line.is_some_and(|line| self.came_before(id, line.held_at))
    }

    /// What keeps the one whom this ticket waits for from being answered.
    pub(super) fn occupants_trouble(&self, id: TicketId) -> Option<StoreError> {
        let line = self.lines.get(&self.tickets.get(id)?.key)?;
        match self.stage(line.occupant?)? {
            Stage::Waiting(waiting) => waiting.trouble.clone(),
            _ => None,
        }
    }
}
