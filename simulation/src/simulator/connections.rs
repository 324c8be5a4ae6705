//! Connections open and close.

use std::time::Duration;

use lock_core::client::{Probe, SessionTable as _};
use lock_core::key::SessionId;
use lock_core::store::{StoreError, StoreErrorKind};

use super::event::Event;
use super::history::What;
use super::network::error;
use super::packet::Packet;
use super::plan::Over;
use super::task::Task;
use super::world::World;

pub(super) const BOTH: [Over; 2] = [Over::Keepers, Over::Tasks];
/// How long it takes to connect.
const CONNECTING: Duration = Duration::from_millis(1);

impl World {
    /// A connection closes; `noticed` says whether the store notices.
    pub(super) fn close(&mut self, process: usize, over: Over, noticed: bool) {
        let connection = std::mem::take(self.processes[process].connection(over));
        let Some(session) = connection.session else { return };
        if connection.has_push && noticed {
            let listener = self.processes[process].listener(over, session);
            self.node.unsubscribe(listener);
        } else if connection.has_push {
            self.unnoticed += 1;
        }
        self.fail_pending(process, session);
        let (local, host) = (self.clock_of(process), &mut self.processes[process]);
        match over {
            Over::Keepers if host.is_running => host.keeper.is_gone(&mut host.client),
            Over::Tasks if host.is_running => host.client.session_gone(local, session),
            _ => {}
        }
        self.settle(process);
    }

    /// What was sent over it gets no answer.
    fn fail_pending(&mut self, process: usize, session: SessionId) {
        let pending = &self.processes[process].pending;
        let cut: Vec<Packet> = pending.values().filter(|packet| packet.session == session).cloned().collect();
        for packet in cut {
            self.next(Event::Answered(Box::new(packet), Err(StoreError::no_answer())));
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

    /// The store ends a session, or it led to a server that is no longer the primary; another is opened.
    pub(super) fn end_session(&mut self, process: usize, session: SessionId) {
        if let Some(over) = self.processes[process].connection_of(session) {
            self.close(process, over, true);
            self.open_after(CONNECTING, process, over);
        }
    }

    /// Asks a session whether it answers in time. The store answers a probe as it does everything, and changes nothing.
    pub(super) fn probe_session(&mut self, process: usize, Probe { session, limit }: Probe) {
        let there = self.processes[process].connection_of(session).is_some();
        let both_ways = [self.delay(process, session), self.delay(process, session)];
        let [Some(out), Some(back)] = both_ways.map(|delay| delay.filter(|_| there)) else {
            return self.after(limit, Event::Probed(process, self.processes[process].era, session, false));
        };
        let stands_still = self.node.down_until.max(self.node.paused_until).since(self.now);
        let takes = out.max(stands_still) + back;
        let takes = takes.max(self.session_sleeps_until(process, session).since(self.now));
        self.after(takes.min(limit), Event::Probed(process, self.processes[process].era, session, takes < limit));
    }

    /// The outcome of that.
    pub(super) fn probed(&mut self, process: usize, session: SessionId, answered: bool) {
        let local = self.clock_of(process);
        self.processes[process].client.probed(local, session, answered);
        self.settle(process);
    }

    /// Opens a runtime's session after a while; the keeper opens its own in its round.
    pub(super) fn open_after(&mut self, time: Duration, process: usize, over: Over) {
        if over == Over::Tasks {
            let era = self.processes[process].era;
            self.after(time, Event::Opens(process, era, over));
        }
    }

    /// The keeper starts to connect.
    pub(super) fn keeper_connects(&mut self, process: usize) {
        let era = self.processes[process].era;
        self.after(CONNECTING, Event::Opens(process, era, Over::Keepers));
    }

    /// The outcome of an attempt to connect.
    pub(super) fn try_open(&mut self, process: usize, over: Over) {
        let host = &self.processes[process];
        if !host.is_running || host.connections[over as usize].session.is_some() {
            return;
        }
        let possible = self.node.down_until.max(self.node.paused_until).max(host.partitioned_until);
        let possible = possible.max(host.cut_until[over as usize]);
        // Some connections still lead to the old server, which is a replica by now, and are refused.
        let is_led_astray = self.now < self.switching_until && self.random.chance(30);
        if possible <= self.now && !is_led_astray {
            return self.open(process, over);
        }
        if over == Over::Tasks {
            let pause = possible.since(self.now) + self.random.between(0, 50);
            return self.open_after(pause, process, over);
        }
        let (local, seed) = (self.clock_of(process), self.random.below(u64::MAX));
        let host = &mut self.processes[process];
        host.keeper.opened(&mut host.client, local, Err(error(StoreErrorKind::Disconnected)), seed);
        self.settle(process);
    }

    /// A connection is open. Over most, the store sends grant messages.
    fn open(&mut self, process: usize, over: Over) {
        let has_push = self.random.chance(85);
        let session = self.processes[process].next_session();
        let connection = self.processes[process].connection(over);
        (connection.session, connection.has_push) = (Some(session), has_push);
        if has_push {
            let listener = self.processes[process].listener(over, session);
            self.node.listen(listener);
        }
        let clock = self.node.clock(self.now);
        self.node.model.raise(clock);
        self.note(Some(process), || What::Text(format!("{} is open", over.name())));
        if over == Over::Keepers {
            let (local, seed) = (self.clock_of(process), self.random.below(u64::MAX));
            let host = &mut self.processes[process];
            host.keeper.opened(&mut host.client, local, Ok((session, has_push)), seed);
        } else {
            let local = self.clock_of(process);
            self.processes[process].client.session_opened(local, session);
        }
        self.settle(process);
    }
}
