//! What must be true in every state.

use std::time::Duration;

use lock_core::Moment;
use lock_core::lease::{Terms, Wait};
use lock_core::store::{Kind, Token};

use super::moments::Party;
use crate::exhaustive::plan::{OPERATION, Plan};
use crate::exhaustive::state::client::KEY;
use crate::exhaustive::state::memory::Broken;
use crate::exhaustive::state::packet::Link;
use crate::exhaustive::state::task::{State, Task};
use crate::exhaustive::state::world::World;

/// How late an answer may come.
const LATE: Duration = Duration::from_millis(100);
/// How long after the longest ttl a key may be had again.
const HAD_AGAIN: Duration = Duration::from_secs(1);

impl World {
    /// Checks everything.
    pub(crate) fn watch(&mut self, plan: &Plan) {
        let holders: Vec<Token> = self.store.holders(self.now, &KEY).into_iter().map(|(token, _)| token).collect();
        self.memory.holders(&holders);
        let broken = self.broken_by_steps(plan, &holders);
        let broken = broken.or_else(|| self.is_orphaned(plan, &holders).then_some(Broken::Orphaned));
        let broken = broken.or_else(|| self.is_overdue(plan).then_some(Broken::Overdue));
        let broken = broken.or_else(|| self.is_waited_for_in_vain(plan).then_some(Broken::WaitedInVain));
        let broken = broken.or_else(|| (self.is_at_rest(plan) && self.is_left_over()).then_some(Broken::LeftOver));
        if let Some(broken) = broken {
            self.found(broken);
        }
    }

    /// Bodies whose next step may start now have the key, and may be there beside each other.
    fn broken_by_steps(&self, plan: &Plan, holders: &[Token]) -> Option<Broken> {
        let bodies = self.tasks.iter().zip(&plan.calls).filter_map(|(task, (process, terms))| match &task.state {
            State::Holding(body) if body.may_step(self.now) => {
                let kind = body.holding.id().and_then(|id| self.processes[*process].client.kind_of(id));
                Some((body, kind.unwrap_or(terms.kind)))
            }
            _ => None,
        });
        let may: Vec<_> = bodies.collect();
        if may.iter().any(|(body, _)| self.memory.allows(body.token) <= self.now) {
            return Some(Broken::LateStep);
        }
        if may.iter().any(|(body, _)| !holders.contains(&body.token)) {
            return Some(Broken::StepWithoutKey);
        }
        let kinds: Vec<Kind> = may.into_iter().map(|(_, kind)| kind).collect();
        let agree = kinds.iter().enumerate().all(|(at, one)| kinds[..at].iter().all(|other| other.agrees_with(*one)));
        if !agree {
            return Some(Broken::TwoBodies);
        }
        (kinds.iter().map(|kind| kind.weight()).sum::<u32>() > most_of(&kinds)).then_some(Broken::TooManyPermits)
    }

    /// Whether something at the store is nobody's, and nothing is on its way. What a killed process had, expires.
    fn is_orphaned(&self, plan: &Plan, holders: &[Token]) -> bool {
        if self.faults.crashes != plan.faults.crashes || !self.links.iter().all(Link::is_empty) {
            return false;
        }
        let known = |token: Token| self.processes.iter().any(|process| process.client.knows(token));
        // A key that is kept is held by nobody.
        let held = holders.iter().copied().filter(|token| token.bits() != 0);
        held.chain(self.store.waiters(self.now, &KEY)).any(|token| !known(token))
    }

    /// Whether a call or a manual renewal has no answer although its time is over, and its process could tell it.
    fn is_overdue(&self, plan: &Plan) -> bool {
        let is_late = |task: &Task, wait: Wait| {
            let late = |since: Moment, time: Duration| since + time + LATE < self.now;
            let renews_late = task.manual.iter().any(|(_, asked)| late(*asked, OPERATION));
            match (&task.state, wait) {
                (State::Acquiring(_, arrived), Wait::AtMost(wait)) => late(*arrived, wait.max(OPERATION)),
                _ => renews_late,
            }
        };
        self.tasks.iter().zip(&plan.calls).any(|(task, &(process, Terms { wait, .. }))| {
            let party = Party::Process(process);
            is_late(task, wait) && self.stalled(party).is_none() && !self.is_urgent(plan, party)
        })
    }

    fn is_waited_for_in_vain(&mut self, plan: &Plan) -> bool {
        let is_stalled = self.parties().any(|party| self.stalled(party).is_some());
        let asks = self.tasks.iter().any(|task| matches!(task.state, State::Acquiring(..)));
        let has = self.tasks.iter().any(|task| matches!(task.state, State::Holding(_)));
        if is_stalled || !asks || has {
            self.memory.wanted_since = None;
            return false;
        }
        let since = *self.memory.wanted_since.get_or_insert(self.now);
        let longest = plan.calls.iter().map(|(_, terms)| terms.ttl).max().unwrap_or_default();
        self.now.since(since) > longest + HAD_AGAIN
    }

    /// Whether nothing will happen any more.
    fn is_at_rest(&self, plan: &Plan) -> bool {
        let may = |task: &Task| matches!(task.state, State::NotArrived | State::Holding(_));
        !self.tasks.iter().any(may)
            && self.next_moment().is_none()
            && !self.parties().any(|party| self.is_urgent(plan, party))
    }

    fn is_left_over(&self) -> bool {
        let clients = self.processes.iter().filter(|process| process.is_running);
        !self.tasks.iter().all(|task| matches!(task.state, State::Over))
            || !clients.into_iter().all(|process| process.client.is_idle() && process.pending.is_empty())
            || !self.store.holders(self.now, &KEY).is_empty()
            || !self.store.waiters(self.now, &KEY).is_empty()
    }
}

/// How many permits there are for the most generous of these; any number for those of other kinds.
fn most_of(kinds: &[Kind]) -> u32 {
    let most = |kind: &Kind| match kind {
        Kind::Permits { most, .. } => *most,
        _ => u32::MAX,
    };
    kinds.iter().map(most).max().unwrap_or(u32::MAX)
}
