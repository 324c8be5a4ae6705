//! How faults begin and end: connections close and open, processes stop, die and start, the store forgets.

use std::rc::Rc;
use std::time::Duration;

use super::history::What;
use super::plan::{Over, Trouble};
use super::process::{Chair, START, State};
use super::world::{Event, World};
use lock_core::lease::Validity;
use lock_core::store::Token;

const BOTH: [Over; 2] = [Over::Keepers, Over::Tasks];

impl World {
    pub(super) fn plan_fault(&mut self, fault: usize) {
        let begins = START + self.plan.faults[fault].from;
        let ends = begins + self.plan.faults[fault].lasts;
        if let Trouble::FailsOver(forgotten) = self.plan.faults[fault].trouble {
            self.at(begins - forgotten, Event::CopyIsMade);
        }
        self.at(begins, Event::Begins(fault));
        self.at(ends, Event::Over(fault));
    }

    pub(super) fn begins(&mut self, fault: usize) {
        let fault = self.plan.faults[fault].clone();
        let until = self.now + fault.lasts;
        self.note(fault.trouble.process(), || What::Fault(fault.trouble.to_string(), fault.lasts));
        match fault.trouble {
            Trouble::Slow(process, over, by) => {
                self.processes[process].wire(over).slow = Some((until, by));
            }
            Trouble::LosesRequests(process) => self.processes[process].loses_requests_until = until,
            Trouble::LosesReplies(process) => self.processes[process].loses_replies_until = until,
            Trouble::LosesMessages(process) => self.processes[process].loses_messages_until = until,
            Trouble::Repeats(process) => self.processes[process].repeats_until = until,
            Trouble::Bounces(process) => self.processes[process].bounces_until = until,
            Trouble::Errs(process, kind) => self.processes[process].errs = Some((until, kind)),
            Trouble::Forges(process) => self.forges(process, until),
            Trouble::SwitchesOver => self.switches_over(until),
            Trouble::Dark(process) => {
                let process = &mut self.processes[process];
                process.dark_until = process.dark_until.max(until);
            }
            Trouble::Cut(process, over) => {
                let noticed = self.random.chance(50);
                self.close(process, over, noticed);
                self.opens_after(fault.lasts, process, over);
            }
            Trouble::HalfOpen(process, over) => {
                let wire = self.processes[process].wire(over);
                wire.dead = wire.line.is_some();
            }
            Trouble::Freezes(process) => self.freezes(process, until),
            Trouble::Crashes(process, noticed) => self.dies(process, noticed),
            Trouble::ShutsDown(process, grace) => self.shuts_down(process, grace),
            Trouble::Leaps(process, by) => {
                self.processes[process].leaps(by);
                self.checker.leapt(self.now, process);
                self.settle(process);
            }
            Trouble::StorePauses => self.node.stands_until = self.node.stands_until.max(until),
            Trouble::StoreRestarts => self.store_restarts(until),
            Trouble::StoreForgets => {
                self.node.forget();
                self.store_restarts(until);
            }
            Trouble::FailsOver(_) => {
                self.node.become_copy();
                self.store_restarts(until);
            }
            Trouble::Strikes(key) => {
                let (key, clock) = (self.keys[key].0.clone(), self.node.clock(self.now));
                self.node.model.strike(clock, &key);
            }
            Trouble::Overwrites(key, lasts) => {
                let (key, clock) = (self.keys[key].0.clone(), self.node.clock(self.now));
                self.node.model.overwrite(&key, Token::from_bits(u128::MAX), clock + lasts);
            }
            Trouble::StepsClock(by) => self.node.set_forward(by),
        }
    }

    pub(super) fn is_over(&mut self, fault: usize) {
        if let Trouble::SwitchesOver = self.plan.faults[fault].trouble {
            // Whoever has not noticed by now is told by the end of its connection.
            for (process, line) in std::mem::take(&mut self.demoted) {
                if let Some(over) = self.processes[process].wire_of(line) {
                    self.close(process, over, true);
                    self.opens_after(Duration::from_millis(1), process, over);
                }
            }
        }
        if let Trouble::Crashes(process, _) | Trouble::ShutsDown(process, _) = self.plan.faults[fault].trouble {
            if self.processes[process].is_there {
                self.dies(process, true);
            }
            self.processes[process].start();
            self.note(Some(process), || What::Text("starts".to_owned()));
            for over in BOTH {
                self.open(process, over);
            }
        }
    }

    fn freezes(&mut self, process: usize, until: lock_core::Moment) {
        self.processes[process].frozen_until = self.processes[process].frozen_until.max(until);
        for task in 0..self.tasks.len() {
            if self.tasks[task].process == process {
                self.checker.held_up(task, until);
            }
        }
    }

    /// The process is gone, and everything in it.
    fn dies(&mut self, process: usize, noticed: bool) {
        for over in BOTH {
            self.close(process, over, noticed);
        }
        let host = &mut self.processes[process];
        (host.is_there, host.frozen_until) = (false, self.now);
        // Nothing of it is told anything any more.
        host.era += 1;
        for task in 0..self.tasks.len() {
            if self.tasks[task].process == process && !matches!(self.tasks[task].state, State::Over) {
                self.checker.gone(task);
                self.tasks[task].state = State::Over;
            }
        }
    }

    fn shuts_down(&mut self, process: usize, grace: Duration) {
        if !self.processes[process].is_there {
            return;
        }
        let local = self.processes[process].clock(self.now);
        let watcher = Rc::new(Chair { task: None, validity: Validity::default() });
        self.processes[process].core.close(local, grace, watcher);
        self.settle(process);
    }

    /// Another server is the store from now on. Some stay connected to the old one, which is a replica of it.
    fn switches_over(&mut self, until: lock_core::Moment) {
        self.switching_until = self.switching_until.max(until);
        self.node.disconnect_all();
        for process in 0..self.processes.len() {
            for over in BOTH {
                let Some(line) = self.processes[process].wire(over).line else { continue };
                if self.random.chance(50) {
                    self.demoted.insert((process, line));
                } else {
                    self.close(process, over, true);
                    self.opens_after(Duration::from_millis(1), process, over);
                }
            }
        }
    }

    fn store_restarts(&mut self, until: lock_core::Moment) {
        self.node.stands_until = self.node.stands_until.max(until);
        self.node.down_until = self.node.down_until.max(until);
        self.node.restarted_at = self.now;
        self.node.disconnect_all();
        for process in 0..self.processes.len() {
            for over in BOTH {
                self.close(process, over, true);
                if self.processes[process].is_there {
                    self.opens_after(Duration::from_millis(1), process, over);
                }
            }
        }
    }

    /// A connection ends; whether the store notices.
    pub(super) fn close(&mut self, process: usize, over: Over, noticed: bool) {
        let wire = std::mem::take(self.processes[process].wire(over));
        let Some(line) = wire.line else { return };
        if wire.told && noticed {
            let listener = self.processes[process].listener(over, line);
            self.node.unsubscribe(listener);
        } else if wire.told {
            self.unnoticed += 1;
        }
        let is_there = self.processes[process].is_there;
        let local = self.processes[process].clock(self.now);
        match over {
            Over::Keepers if is_there => self.processes[process].core.disconnected(),
            Over::Tasks if is_there => self.processes[process].core.session_gone(local, line),
            _ => {}
        }
        let errands = &self.processes[process].errands;
        let cut: Vec<_> = errands.values().filter(|mail| mail.line == line).cloned().collect();
        for mail in cut {
            self.answered(&mail, Err(lock_core::store::StoreError::no_answer()));
        }
        for task in 0..self.tasks.len() {
            let asks = |task: &super::process::Task| task.sent.as_ref().is_some_and(|sent| sent.line == line);
            if self.tasks[task].process == process && asks(&self.tasks[task]) {
                if let Some(sent) = self.tasks[task].sent.as_mut().filter(|sent| sent.answer.is_none()) {
                    sent.answer = Some(Err(lock_core::store::StoreError::no_answer()));
                }
                self.wake_soon(task);
            }
        }
        self.settle(process);
    }

    pub(super) fn opens_after(&mut self, time: Duration, process: usize, over: Over) {
        let era = self.processes[process].era;
        self.after(time, Event::Opens(process, era, over));
    }

    /// The process tries to connect.
    pub(super) fn opens(&mut self, process: usize, over: Over) {
        let host = &self.processes[process];
        if !host.is_there || host.wires[over as usize].line.is_some() {
            return;
        }
        let possible = self.node.down_until.max(self.node.stands_until).max(host.dark_until);
        if self.now < possible {
            let pause = possible.since(self.now) + self.random.between(0, 50);
            return self.opens_after(pause, process, over);
        }
        if self.now < self.switching_until && self.random.chance(30) {
            // It was led to the server that is a replica by now, and is sent away.
            let pause = self.random.between(25, 100);
            return self.opens_after(pause, process, over);
        }
        self.open(process, over);
    }

    /// A connection is open. Most are told of grants.
    pub(super) fn open(&mut self, process: usize, over: Over) {
        if self.processes[process].wire(over).line.is_some() {
            return;
        }
        let told = self.random.chance(85);
        let line = self.processes[process].next_line();
        let wire = self.processes[process].wire(over);
        (wire.line, wire.told) = (Some(line), told);
        if told {
            let listener = self.processes[process].listener(over, line);
            self.node.listen(listener);
        }
        let clock = self.node.clock(self.now);
        self.node.model.raise(clock);
        self.note(Some(process), || What::Text(format!("{} is open", over.name())));
        if over == Over::Keepers {
            let local = self.processes[process].clock(self.now);
            self.processes[process].core.connected(local, line, told);
        }
        self.settle(process);
    }
}
