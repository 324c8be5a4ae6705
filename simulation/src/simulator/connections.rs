//! Connections open and close.

use std::time::Duration;

use lock_core::key::SessionId;
use lock_core::store::{StoreError, StoreErrorKind};
use lock_core::walk::TIME_OUTS_IN_A_ROW;

use super::event::Event;
use super::history::What;
use super::mail::Mail;
use super::network::error;
use super::plan::Over;
use super::task::Task;
use super::world::World;

pub(super) const BOTH: [Over; 2] = [Over::Keepers, Over::Tasks];
/// How long it takes to connect.
const CONNECTING: Duration = Duration::from_millis(1);

impl World {
    /// A connection ends; whether the store notices.
    pub(super) fn close(&mut self, process: usize, over: Over, noticed: bool) {
        let wire = std::mem::take(self.processes[process].wire(over));
        let Some(session) = wire.session else { return };
        if wire.told && noticed {
            let listener = self.processes[process].listener(over, session);
            self.node.unsubscribe(listener);
        } else if wire.told {
            self.unnoticed += 1;
        }
        self.cut(process, session);
        let (local, host) = (self.clock_of(process), &mut self.processes[process]);
        match over {
            Over::Keepers if host.is_there => host.keeper.is_gone(&mut host.client),
            Over::Tasks if host.is_there => host.client.session_gone(local, session),
            _ => {}
        }
        self.settle(process);
    }

    /// What was sent over it has no answer.
    fn cut(&mut self, process: usize, session: SessionId) {
        let pending = &self.processes[process].pending;
        let cut: Vec<Mail> = pending.values().filter(|mail| mail.session == session).cloned().collect();
        for mail in cut {
            self.next(Event::Answered(Box::new(mail), Err(StoreError::no_answer())));
        }
        for task in 0..self.tasks.len() {
            let asks = |task: &Task| task.sent.as_ref().is_some_and(|sent| sent.session == session);
            if self.tasks[task].process == process && asks(&self.tasks[task]) {
                if let Some(sent) = self.tasks[task].sent.as_mut().filter(|sent| sent.answer.is_none()) {
                    sent.answer = Some(Err(StoreError::no_answer()));
                }
                self.wake_soon(task);
            }
        }
    }

    /// The store ends a session, or nobody knows any more what is behind it; another is opened.
    pub(super) fn ends(&mut self, process: usize, session: SessionId) {
        if let Some(over) = self.processes[process].wire_of(session) {
            self.close(process, over, true);
            self.opens_after(CONNECTING, process, over);
        }
    }

    /// Something over this session had no answer in time; after so many in a row it is replaced.
    pub(super) fn is_doubted(&mut self, process: usize, session: SessionId) {
        let Some(over) = self.processes[process].wire_of(session) else { return };
        let wire = self.processes[process].wire(over);
        wire.time_outs += 1;
        if wire.time_outs >= TIME_OUTS_IN_A_ROW {
            self.ends(process, session);
        }
    }

    /// A runtime's session is opened then; the keeper opens its own when it works.
    pub(super) fn opens_after(&mut self, time: Duration, process: usize, over: Over) {
        if over == Over::Tasks {
            let era = self.processes[process].era;
            self.after(time, Event::Opens(process, era, over));
        }
    }

    /// The keeper begins to connect.
    pub(super) fn keeper_connects(&mut self, process: usize) {
        let era = self.processes[process].era;
        self.after(CONNECTING, Event::Opens(process, era, Over::Keepers));
    }

    /// What comes of the try to connect.
    pub(super) fn opens(&mut self, process: usize, over: Over) {
        let host = &self.processes[process];
        if !host.is_there || host.wires[over as usize].session.is_some() {
            return;
        }
        let possible = self.node.down_until.max(self.node.stands_until).max(host.dark_until);
        let possible = possible.max(host.cut_until[over as usize]);
        // Some are led to the server that is a replica by now, and are sent away.
        let is_led_astray = self.now < self.switching_until && self.random.chance(30);
        if possible <= self.now && !is_led_astray {
            return self.open(process, over);
        }
        if over == Over::Tasks {
            let pause = possible.since(self.now) + self.random.between(0, 50);
            return self.opens_after(pause, process, over);
        }
        let (local, seed) = (self.clock_of(process), self.random.below(u64::MAX));
        let host = &mut self.processes[process];
        host.keeper.opened(&mut host.client, local, Err(error(StoreErrorKind::Disconnected)), seed);
        self.settle(process);
    }

    /// A connection is open. Most are told of grants.
    fn open(&mut self, process: usize, over: Over) {
        let told = self.random.chance(85);
        let session = self.processes[process].next_session();
        let wire = self.processes[process].wire(over);
        (wire.session, wire.told) = (Some(session), told);
        if told {
            let listener = self.processes[process].listener(over, session);
            self.node.listen(listener);
        }
        let clock = self.node.clock(self.now);
        self.node.model.raise(clock);
        self.note(Some(process), || What::Text(format!("{} is open", over.name())));
        if over == Over::Keepers {
            let (local, seed) = (self.clock_of(process), self.random.below(u64::MAX));
            let host = &mut self.processes[process];
            host.keeper.opened(&mut host.client, local, Ok((session, told)), seed);
        }
        self.settle(process);
    }
}
