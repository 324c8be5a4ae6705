//! How faults begin and end: connections close and open, processes stop, die and start, the store loses data.

use std::rc::Rc;
use std::time::Duration;

use lock_core::lease::Validity;
use lock_core::store::Token;

use super::caller::Caller;
use super::connections::BOTH;
use super::event::Event;
use super::history::What;
use super::plan::Trouble;
use super::process::START;
use super::task::State;
use super::world::World;

/// By how many milliseconds the clock of a server that takes another's place is ahead of that one's at most.
const MOST_AHEAD: u64 = 2_000;

impl World {
    pub(super) fn plan_fault(&mut self, fault: usize) {
        let begins = START + self.plan.faults[fault].from;
        let ends = begins + self.plan.faults[fault].lasts;
        if let Trouble::FailsOver(forgotten) = self.plan.faults[fault].trouble {
            self.at(begins - forgotten, Event::SnapshotIsTaken);
        }
        self.at(begins, Event::Begins(fault));
        self.at(ends, Event::Over(fault));
    }

    pub(super) fn begin_fault(&mut self, fault: usize) {
        let fault = self.plan.faults[fault].clone();
        let until = self.now + fault.lasts;
        self.note(fault.trouble.process(), || What::Fault(fault.trouble.to_string(), fault.lasts));
        match fault.trouble {
            Trouble::Slow(process, over, by) => {
                self.processes[process].connection(over).slow = Some((until, by));
            }
            Trouble::LosesRequests(process) => self.processes[process].loses_requests_until = until,
            Trouble::LosesReplies(process) => self.processes[process].loses_replies_until = until,
            Trouble::LosesMessages(process) => self.processes[process].loses_messages_until = until,
            Trouble::Repeats(process) => self.processes[process].repeats_until = until,
            Trouble::ForgetsScripts(process) => self.processes[process].forgets_scripts_until = until,
            Trouble::AnswersErrors(process, kind) => self.processes[process].answers_errors = Some((until, kind)),
            Trouble::ForgesGrants(process) => self.next(Event::Forges(process, until)),
            Trouble::SwitchesOver => self.switch_over(until),
            Trouble::Partition(process) => {
                let process = &mut self.processes[process];
                process.partitioned_until = process.partitioned_until.max(until);
            }
            Trouble::Reset(process, over) => {
                let noticed = self.random.chance(50);
                self.processes[process].cut_until[over as usize] = until;
                self.close(process, over, noticed);
                self.open_after(fault.lasts, process, over);
            }
            Trouble::HalfOpen(process, over) => {
                let connection = self.processes[process].connection(over);
                connection.dead = connection.session.is_some();
            }
            Trouble::FallsSilent(process) => {
                for over in BOTH {
                    let connection = self.processes[process].connection(over);
                    connection.dead = connection.session.is_some();
                }
            }
            Trouble::Freezes(process) => self.freeze(process, until),
            Trouble::Sleeps(process) => self.processes[process].sleeps_until = until,
            Trouble::StandsStill(process) => self.stand_still(process, until),
            Trouble::Crashes(process, noticed) => self.kill(process, noticed),
            Trouble::ShutsDown(process, grace) => self.shut_down(process, grace),
            Trouble::Leaps(process, by) => {
                self.processes[process].leaps(self.now, by);
                self.checker.leapt(self.now, process);
                self.settle(process);
            }
            Trouble::StorePauses => self.node.paused_until = self.node.paused_until.max(until),
            Trouble::StoreRestarts => self.restart_store(until),
            Trouble::StoreForgets => {
                self.node.lose_data();
                self.restart_store(until);
            }
            Trouble::FailsOver(_) => {
                self.node.become_snapshot();
                self.restart_store(until);
            }
            Trouble::DeletesKey(key) => {
                let (key, clock) = (self.keys[key].0.clone(), self.node.clock(self.now));
                self.node.model.strike(clock, &key);
                self.node.marks.forget(&key);
            }
            Trouble::Overwrites(key, lasts) => {
                let (key, clock) = (self.keys[key].0.clone(), self.node.clock(self.now));
                self.node.marks.forget(&key);
                self.node.model.overwrite(&key, Token::from_bits(u128::MAX), clock + lasts);
            }
            Trouble::StepsClock(by) => self.node.set_forward(by),
        }
    }

    pub(super) fn end_fault(&mut self, fault: usize) {
        if let Trouble::SwitchesOver = self.plan.faults[fault].trouble {
            // A client that has not noticed by now notices the end of its connection.
            for (process, session) in std::mem::take(&mut self.demoted) {
                self.end_session(process, session);
            }
        }
        if let Trouble::Crashes(process, _) | Trouble::ShutsDown(process, _) = self.plan.faults[fault].trouble {
            if self.processes[process].is_running {
                self.kill(process, true);
            }
            self.processes[process].start();
            self.note(Some(process), || What::Text("starts".to_owned()));
            for over in BOTH {
                self.open_after(Duration::ZERO, process, over);
            }
            self.settle(process);
        }
    }

    fn freeze(&mut self, process: usize, until: lock_core::Moment) {
        self.processes[process].frozen_until = self.processes[process].frozen_until.max(until);
        for task in 0..self.tasks.len() {
            if self.tasks[task].process == process {
                self.checker.held_up(task, until);
            }
        }
    }

    /// The process dies, with everything in it.
    fn kill(&mut self, process: usize, noticed: bool) {
        for over in BOTH {
            self.close(process, over, noticed);
        }
        let host = &mut self.processes[process];
        (host.is_running, host.frozen_until, host.still_until) = (false, self.now, self.now);
        // Nothing of this era is told anything any more.
        host.era += 1;
        for task in 0..self.tasks.len() {
            if self.tasks[task].process == process && !matches!(self.tasks[task].state, State::Over) {
                self.checker.body_gone(task);
                self.tasks[task].state = State::Over;
            }
        }
    }

    fn shut_down(&mut self, process: usize, grace: Duration) {
        if !self.processes[process].is_running {
            return;
        }
        let local = self.clock_of(process);
        let watcher = Rc::new(Caller { task: None, validity: Validity::default() });
        self.processes[process].client.close(local, grace, watcher);
        self.settle(process);
    }

    /// Another server is the store from now on. Some connections stay with the old one, which is its replica.
    fn switch_over(&mut self, until: lock_core::Moment) {
        self.switching_until = self.switching_until.max(until);
        self.node.disconnect_all();
        let ahead = self.random.between(0, MOST_AHEAD);
        self.node.read_another_clock(ahead);
        for process in 0..self.processes.len() {
            for over in BOTH {
                let Some(session) = self.processes[process].connection(over).session else { continue };
                if self.random.chance(50) {
                    self.demoted.insert((process, session));
                } else {
                    self.end_session(process, session);
                }
            }
        }
    }

    fn restart_store(&mut self, until: lock_core::Moment) {
        self.node.paused_until = self.node.paused_until.max(until);
        self.node.down_until = self.node.down_until.max(until);
        self.node.restarted_at = self.now;
        self.node.disconnect_all();
        for process in 0..self.processes.len() {
            for over in BOTH {
                if let Some(session) = self.processes[process].connection(over).session {
                    self.end_session(process, session);
                }
            }
        }
    }
}
