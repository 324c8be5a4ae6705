//! What may happen next, and what comes of it.

use lock_core::store::StoreErrorKind;

use super::moments::Party;
use crate::exhaustive::plan::Plan;
use crate::exhaustive::state::packet::{Coming, From, listener};
use crate::exhaustive::state::task::State;
use crate::exhaustive::state::world::{Process, World};

/// The errors by which a request may be answered.
const ERRORS: [StoreErrorKind; 3] = [StoreErrorKind::Unready, StoreErrorKind::Refused, StoreErrorKind::NotExecuted];

/// One step. Tasks, processes, connections and what a keeper awaits are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A call comes.
    Arrives(usize),
    /// A task that was woken or answered goes on, or one whose lease is over sees that.
    Polls(usize),
    /// A body returns.
    Ends(usize),
    /// A body renews its lease manually.
    RenewsManually(usize),
    /// A body makes its lease a shared one.
    Downgrades(usize),
    /// A keeper does what is due.
    KeeperWorks(usize),
    /// A keeper's request had no answer in time.
    KeeperTimesOut(usize, usize),
    /// The first request over a connection reaches the store.
    RequestArrives(usize),
    /// The first reply or message over a connection reaches its client.
    ReplyArrives(usize),
    /// Nobody has anything to do, or whoever has is stalled.
    TimePasses,
    /// A connection is opened again.
    Opens(usize),
    /// A fault: the first request over a connection is lost.
    LosesRequest(usize),
    /// A fault: it is not executed, and answered with such an error.
    Fails(usize, StoreErrorKind),
    /// A fault: the first reply or message over a connection is lost.
    LosesReply(usize),
    /// A fault: it does nothing for a while.
    Stalls(Party),
    /// A fault: a task is dropped.
    IsDropped(usize),
    /// A fault: a process is killed, and the store notices.
    Crashes(usize),
    /// A fault: a connection is reset.
    Resets(usize),
}

impl World {
    /// All that may happen now.
    pub(crate) fn steps(&self, plan: &Plan, steps: &mut Vec<Step>) {
        if self.broken.is_some() {
            return;
        }
        for task in 0..self.tasks.len() {
            if self.processes[plan.calls[task].0].is_running {
                self.task_steps(plan, task, steps);
            }
        }
        for (index, process) in self.processes.iter().enumerate().filter(|(_, process)| process.is_running) {
            self.process_steps(index, process, steps);
        }
        for link in 0..self.links.len() {
            self.link_steps(link, steps);
        }
        if self.faults.stalls > 0 {
            let may = |party: Party| self.stalled(party).is_none() && self.stalls_until(party).is_some();
            let stalls = |party: &Party| may(*party) && self.is_urgent(plan, *party);
            steps.extend(self.parties().filter(stalls).map(Step::Stalls));
        }
        if self.is_quiet(plan) && self.next_moment().is_some() {
            steps.push(Step::TimePasses);
        }
    }

    fn task_steps(&self, plan: &Plan, index: usize, steps: &mut Vec<Step>) {
        let task = &self.tasks[index];
        let goes_on = task.is_woken || task.sent.as_ref().is_some_and(|sent| sent.answer.is_some());
        match &task.state {
            State::Over => return,
            State::NotArrived => return steps.push(Step::Arrives(index)),
            State::Holding(body) if body.may_step(self.now) => {
                steps.push(Step::Ends(index));
                steps.extend((self.manual_renewals > 0).then_some(Step::RenewsManually(index)));
                let may_downgrade = self.downgrades > 0 && self.is_exclusive(plan, index);
                steps.extend(may_downgrade.then_some(Step::Downgrades(index)));
                steps.extend(goes_on.then_some(Step::Polls(index)));
            }
            State::Holding(_) => steps.push(Step::Polls(index)),
            State::Acquiring(..) | State::Releasing(_) => steps.extend(goes_on.then_some(Step::Polls(index))),
        }
        if self.faults.cancellations > 0 {
            steps.push(Step::IsDropped(index));
        }
    }

    fn process_steps(&self, index: usize, process: &Process, steps: &mut Vec<Step>) {
        if process.client.due() <= self.now {
            steps.push(Step::KeeperWorks(index));
        }
        let late = process.pending.iter().enumerate().filter(|(_, pending)| pending.fails_at <= self.now);
        steps.extend(late.map(|(at, _)| Step::KeeperTimesOut(index, at)));
        if self.faults.crashes > 0 {
            steps.push(Step::Crashes(index));
        }
        for link in [index * 2, index * 2 + 1] {
            match self.links[link].is_open {
                true if self.faults.resets > 0 => steps.push(Step::Resets(link)),
                true => {}
                false => steps.push(Step::Opens(link)),
            }
        }
    }

    fn link_steps(&self, index: usize, steps: &mut Vec<Step>) {
        let may_lose = self.faults.losses > 0;
        if !self.links[index].up.is_empty() {
            steps.push(Step::RequestArrives(index));
            steps.extend(may_lose.then_some(Step::LosesRequest(index)));
            if self.faults.errors > 0 {
                steps.extend(ERRORS.map(|kind| Step::Fails(index, kind)));
            }
        }
        if !self.links[index].down.is_empty() {
            steps.push(Step::ReplyArrives(index));
            steps.extend(may_lose.then_some(Step::LosesReply(index)));
        }
    }

    /// Takes a step; afterwards the state is watched, and named anew.
    pub(crate) fn take(&mut self, plan: &Plan, step: Step) {
        match step {
            Step::Arrives(task)
            | Step::Polls(task)
            | Step::Ends(task)
            | Step::RenewsManually(task)
            | Step::Downgrades(task)
            | Step::IsDropped(task) => self.take_task_step(plan, task, step),
            Step::KeeperWorks(process) => {
                self.acts(Party::Process(process));
                self.keeper_works(process);
            }
            Step::KeeperTimesOut(process, pending) => {
                self.acts(Party::Process(process));
                self.keeper_times_out(process, pending);
            }
            Step::Opens(link) => {
                self.acts(Party::Process(self.links[link].client));
                self.open(plan, link);
            }
            Step::RequestArrives(link) => {
                self.acts(Party::Up(link));
                self.request_arrives(plan, link);
            }
            Step::ReplyArrives(link) => {
                self.acts(Party::Down(link));
                self.reply_arrives(link);
            }
            Step::TimePasses => {
                if let Some(moment) = self.next_moment() {
                    self.pass_time(moment);
                }
            }
            Step::LosesRequest(_)
            | Step::Fails(..)
            | Step::LosesReply(_)
            | Step::Stalls(_)
            | Step::Crashes(_)
            | Step::Resets(_) => self.take_fault(plan, step),
        }
        self.store.forget_expired(self.now);
        self.watch(plan);
        self.normalize(plan);
    }

    fn take_task_step(&mut self, plan: &Plan, task: usize, step: Step) {
        self.acts(Party::Process(plan.calls[task].0));
        match step {
            Step::Arrives(_) => self.task_arrives(plan, task),
            Step::Ends(_) => self.body_ends(plan, task),
            Step::RenewsManually(_) => {
                self.manual_renewals -= 1;
                self.renews_manually(plan, task);
            }
            Step::Downgrades(_) => {
                self.downgrades -= 1;
                self.makes_shared(plan, task);
            }
            Step::IsDropped(_) => {
                self.faults.cancellations -= 1;
                self.memory.wanted_since = None;
                self.task_is_dropped(plan, task);
            }
            _ => self.task_polls(plan, task),
        }
    }

    fn take_fault(&mut self, plan: &Plan, step: Step) {
        self.memory.wanted_since = None;
        match step {
            Step::LosesRequest(link) => {
                self.faults.losses -= 1;
                self.links[link].up.pop_front();
            }
            Step::Fails(link, kind) => {
                self.faults.errors -= 1;
                self.request_fails(link, kind);
            }
            Step::LosesReply(link) => {
                self.faults.losses -= 1;
                self.links[link].down.pop_front();
            }
            Step::Stalls(party) => {
                self.faults.stalls -= 1;
                self.stall(party);
            }
            Step::Resets(link) => {
                self.faults.resets -= 1;
                self.reset(plan, link);
            }
            Step::Crashes(process) => {
                self.faults.crashes -= 1;
                self.crash(plan, process);
            }
            _ => {}
        }
    }

    /// What it had sent may still arrive.
    fn crash(&mut self, plan: &Plan, process: usize) {
        self.processes[process].stop(plan);
        for (task, _) in self.tasks.iter_mut().zip(&plan.calls).filter(|(_, (of, _))| *of == process) {
            task.stop();
        }
        for link in self.links.iter_mut().filter(|link| link.client == process) {
            (link.is_open, link.down_stalled) = (false, None);
            link.down.clear();
            self.store.unsubscribe(listener(process, link.session));
        }
    }

    fn reply_arrives(&mut self, link: usize) {
        let (process, session) = (self.links[link].client, self.links[link].session);
        match self.links[link].down.pop_front() {
            Some(Coming::Grant(grant)) => self.grant_arrives(process, session, &grant),
            Some(Coming::Answer(number, From::Task(task), answer)) => self.task_receives(task, number, answer),
            Some(Coming::Answer(number, From::Keeper, answer)) => self.keeper_receives(process, number, answer),
            None => {}
        }
    }
}
