//! Time: it passes when nobody has anything to do, or whoever has is stalled; and then to the next moment at which
//! anything may change.
//!
//! So an answer takes no time, unless a fault delays it, and between two moments all orders of events are tried.

use std::time::Duration;

use lock_core::Moment;

use crate::exhaustive::plan::{LONGEST_DELAY, LONGEST_STALL, Plan, TICK};
use crate::exhaustive::state::client::KEY;
use crate::exhaustive::state::task::State;
use crate::exhaustive::state::world::{Process, World};

/// Who may be stalled: a process, or one direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// The process of this number.
    Process(usize),
    /// What goes to the store over the connection of this number.
    Up(usize),
    /// What comes from the store over it.
    Down(usize),
}

impl World {
    pub(crate) fn parties(&self) -> impl Iterator<Item = Party> + use<> {
        let links = (0..self.links.len()).flat_map(|link| [Party::Up(link), Party::Down(link)]);
        (0..self.processes.len()).map(Party::Process).chain(links)
    }

    /// Whether it has something to do now.
    pub(crate) fn is_urgent(&self, plan: &Plan, party: Party) -> bool {
        match party {
            Party::Process(index) => self.processes[index].is_running && self.is_process_urgent(plan, index),
            Party::Up(link) => !self.links[link].up.is_empty(),
            Party::Down(link) => !self.links[link].down.is_empty(),
        }
    }

    fn is_process_urgent(&self, plan: &Plan, index: usize) -> bool {
        let Process { client, pending, .. } = &self.processes[index];
        let mut tasks = self.tasks.iter().zip(&plan.calls).filter(|(_, (process, _))| *process == index);
        self.links[index * 2..index * 2 + 2].iter().any(|link| !link.is_open)
            || client.due() <= self.now
            || pending.iter().any(|pending| pending.fails_at <= self.now)
            || tasks.any(|(task, _)| task.is_urgent(self.now))
    }

    fn stalled_mut(&mut self, party: Party) -> &mut Option<Moment> {
        match party {
            Party::Process(index) => &mut self.processes[index].stalled,
            Party::Up(link) => &mut self.links[link].up_stalled,
            Party::Down(link) => &mut self.links[link].down_stalled,
        }
    }

    pub(crate) fn stalled(&self, party: Party) -> Option<Moment> {
        match party {
            Party::Process(index) => self.processes[index].stalled,
            Party::Up(link) => self.links[link].up_stalled,
            Party::Down(link) => self.links[link].down_stalled,
        }
    }

    /// Until when it would do nothing, if it stalled now.
    pub(crate) fn stalls_until(&self, party: Party) -> Option<Moment> {
        let until = match party {
            // However often it stalls, no request is delayed for longer.
            Party::Up(link) => self.links[link].up.front()?.sent + LONGEST_DELAY,
            Party::Process(_) | Party::Down(_) => self.now + LONGEST_STALL,
        };
        (self.now < until).then_some(until)
    }

    /// From now on it does nothing for a while.
    pub(crate) fn stall(&mut self, party: Party) {
        *self.stalled_mut(party) = self.stalls_until(party);
    }

    /// It does something, so it is not stalled any more.
    pub(crate) fn acts(&mut self, party: Party) {
        *self.stalled_mut(party) = None;
    }

    /// Whether time may pass now.
    pub(crate) fn is_quiet(&self, plan: &Plan) -> bool {
        self.parties().all(|party| self.stalled(party).is_some() || !self.is_urgent(plan, party))
    }

    /// When something may change next, by the clock alone.
    pub(crate) fn next_moment(&self) -> Option<Moment> {
        let running = self.processes.iter().filter(|process| process.is_running);
        let dues = running.flat_map(|Process { client, pending, .. }| {
            pending.iter().map(|pending| pending.fails_at).chain([client.due()])
        });
        let bodies = self.tasks.iter().flat_map(|task| match &task.state {
            // Once more before the deadline, then at it.
            State::Holding(body) => {
                vec![(body.until - Duration::from_nanos(1)).at_or_before(TICK), body.until, body.ends_by]
            }
            _ => Vec::new(),
        });
        let stalls = self.parties().filter_map(|party| self.stalled(party));
        let all = dues.chain(bodies).chain(stalls).chain(self.store.changes(self.now, &KEY));
        all.filter(|moment| self.now < *moment && *moment != Moment::MAX).min().map(ticked)
    }

    /// Time passes to this moment.
    pub(crate) fn pass_time(&mut self, to: Moment) {
        self.now = to;
        for party in self.parties() {
            let stalled = self.stalled_mut(party);
            *stalled = stalled.filter(|until| to < *until);
        }
    }
}

/// The first tick at or after a moment.
fn ticked(moment: Moment) -> Moment {
    (moment + TICK - Duration::from_nanos(1)).at_or_before(TICK)
}
