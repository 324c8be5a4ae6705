//! The keepers of processes: drives the library's own rounds.

use lock_core::client::SessionTable as _;
use lock_core::key::SessionId;
use lock_core::store::StoreError;
use lock_core::walk::{Errand, Route, errands};

use super::event::Event;
use super::packet::{From, Packet};
use super::process::OPERATION;
use super::world::World;
use crate::request::{Reply, Request};

impl World {
    /// The keeper of a process does everything that is due.
    pub(super) fn run_keeper(&mut self, process: usize) {
        let local = self.clock_of(process);
        let host = &mut self.processes[process];
        host.keeper_wakes_at = lock_core::Moment::MAX;
        if host.keeper.begin_to_open(local) {
            self.keeper_connects(process);
        }
        let host = &mut self.processes[process];
        let over = host.client.carrier();
        let jobs = host.client.work(local);
        let probes = host.client.take_probes();
        if let Some(over) = over {
            for errand in errands(jobs, over, local, OPERATION) {
                self.send_errand(process, errand);
            }
        } else {
            debug_assert!(jobs.is_empty(), "there is nobody to send {jobs:?}");
        }
        for probe in probes {
            self.probe_session(process, probe);
        }
        self.settle(process);
    }

    fn send_errand(&mut self, process: usize, errand: Errand) {
        let local = self.clock_of(process);
        let is_open = |session: SessionId| self.processes[process].connection_of(session).is_some();
        let (route, request) = match &errand {
            Errand::Ask(ask) if !is_open(ask.route.session) => {
                return ask.cut_off(&mut self.processes[process].client, local);
            }
            Errand::Ask(ask) => (ask.route, Request::Ask(ask.request.clone())),
            Errand::Renew(renew) => (renew.route, Request::Renew(renew.batch.clone())),
            Errand::Downgrade(downgrade) => (downgrade.route, Request::Downgrade(downgrade.downgrade.clone())),
            Errand::Release(release) => (release.route(is_open), Request::Release(release.request.clone())),
        };
        let Route { session, limit } = route;
        let number = self.send(process, session, From::Keeper(Box::new(errand), limit), request);
        let era = self.processes[process].era;
        self.after(limit, Event::TimesOut(process, era, number));
    }

    /// The keeper had no answer in time.
    pub(super) fn time_out(&mut self, process: usize, number: u64) {
        let Some(packet) = self.processes[process].pending.get(&number).cloned() else { return };
        if let From::Keeper(_, limit) = packet.from {
            let local = self.clock_of(process);
            self.processes[process].client.timed_out(local, limit);
            self.settle(process);
        }
        self.next(Event::Answered(Box::new(packet), Err(StoreError::no_answer())));
    }

    /// An answer reaches the keeper, unless it has timed out.
    pub(super) fn keeper_receives(&mut self, packet: &Packet, errand: &Errand, answer: Result<Reply, StoreError>) {
        let process = packet.process;
        if self.processes[process].pending.remove(&packet.number).is_none() {
            return;
        }
        if let Ok(reply) = &answer {
            self.confirm(packet.sent, &packet.request, reply);
        }
        let (local, client) = (self.clock_of(process), &mut self.processes[process].client);
        match (errand, answer) {
            (Errand::Ask(ask), Ok(Reply::Acquired(acquired))) => ask.answered(client, local, Ok(acquired)),
            (Errand::Ask(ask), Err(error)) => ask.answered(client, local, Err(error)),
            (Errand::Renew(renew), Ok(Reply::Renewed(answers))) => drop(renew.answered(client, local, Ok(answers))),
            (Errand::Renew(renew), Err(error)) => drop(renew.answered(client, local, Err(error))),
            (Errand::Downgrade(downgrade), Ok(Reply::Renewed(mut answers))) => {
                drop(answers.pop().map(|answer| downgrade.answered(client, local, answer)));
            }
            (Errand::Downgrade(downgrade), Err(error)) => drop(downgrade.answered(client, local, Err(error))),
            (Errand::Release(release), Ok(Reply::Released(reply))) => {
                release.answered(client, local, packet.session, Ok(reply));
            }
            (Errand::Release(release), Err(error)) => release.answered(client, local, packet.session, Err(error)),
            (_, Ok(other)) => unreachable!("{other:?} is no answer to {errand:?}"),
        }
        self.settle(process);
    }
}
