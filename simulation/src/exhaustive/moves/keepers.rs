//! The keepers: they drive the library's own rounds, and hear of grants.

use lock_core::Moment;
use lock_core::key::{Number, SessionId};
use lock_core::store::{Grant, StoreError};
use lock_core::walk::{Errand, errands};

use crate::exhaustive::plan::OPERATION;
use crate::exhaustive::state::packet::From;
use crate::exhaustive::state::world::{Pending, Process, World};
use crate::request::{Reply, Request};

impl World {
    /// The keeper of a process does what is due.
    pub(crate) fn keeper_works(&mut self, process: usize) {
        let now = self.now;
        let jobs = self.processes[process].client.work(now);
        let Some(keepers) = self.processes[process].client.keeper() else {
            debug_assert!(jobs.is_empty(), "there is nobody to send {jobs:?}");
            return self.settle(process);
        };
        for errand in errands(jobs, keepers, now, OPERATION) {
            let mut is_open = |session| self.link(process, session).is_some();
            let (route, request) = match &errand {
                Errand::Ask(ask) if !is_open(ask.route.session) => {
                    ask.cut_off(&mut self.processes[process].client, now);
                    continue;
                }
                Errand::Ask(ask) => (ask.route, Request::Ask(ask.request.clone())),
                Errand::Renew(renew) => (renew.route, Request::Renew(renew.batch.clone())),
                Errand::Downgrade(downgrade) => (downgrade.route, Request::Downgrade(downgrade.downgrade.clone())),
                Errand::Release(release) => (release.route(is_open), Request::Release(release.request.clone())),
            };
            let number = self.send(process, route.session, From::Keeper, request);
            let pending = Pending { number, session: route.session, errand, sent: now, fails_at: now + route.limit };
            self.processes[process].pending.push(pending);
        }
        self.settle(process);
    }

    /// The keeper had no answer in time.
    pub(crate) fn keeper_times_out(&mut self, process: usize, pending: usize) {
        let pending = self.processes[process].pending.remove(pending);
        self.keeper_is_told(process, &pending, Err(StoreError::no_answer()));
    }

    /// An answer reaches the keeper, unless it has timed out.
    pub(crate) fn keeper_receives(&mut self, process: usize, number: Number, answer: Result<Reply, StoreError>) {
        let pending = &mut self.processes[process].pending;
        let Some(at) = pending.iter().position(|pending| pending.number == number) else { return };
        let pending = pending.remove(at);
        self.keeper_is_told(process, &pending, answer);
    }

    pub(crate) fn keeper_is_told(&mut self, process: usize, pending: &Pending, answer: Result<Reply, StoreError>) {
        let (now, Process { client, .. }) = (self.now, &mut self.processes[process]);
        let Pending { session, errand, sent, .. } = pending;
        match (errand, answer) {
            (Errand::Ask(ask), Ok(reply)) => {
                self.memory.answered(*sent, &Request::Ask(ask.request.clone()), &reply);
                let Reply::Acquired(answer) = reply else { unreachable!("{reply:?} is no answer to {ask:?}") };
                ask.answered(client, now, Ok(answer));
            }
            (Errand::Ask(ask), Err(error)) => ask.answered(client, now, Err(error)),
            (Errand::Renew(renew), Ok(reply)) => {
                self.memory.answered(*sent, &Request::Renew(renew.batch.clone()), &reply);
                let Reply::Renewed(answers) = reply else { unreachable!("{reply:?} is no answer to {renew:?}") };
                renew.answered(client, now, Ok(answers));
            }
            (Errand::Renew(renew), Err(error)) => drop(renew.answered(client, now, Err(error))),
            (Errand::Downgrade(downgrade), Ok(reply)) => {
                self.memory.answered(*sent, &Request::Downgrade(downgrade.downgrade.clone()), &reply);
                let Reply::Renewed(mut answers) = reply else {
                    unreachable!("{reply:?} is no answer to {downgrade:?}")
                };
                drop(answers.pop().map(|answer| downgrade.answered(client, now, answer)));
            }
            (Errand::Downgrade(downgrade), Err(error)) => drop(downgrade.answered(client, now, Err(error))),
            (Errand::Release(release), Ok(reply)) => {
                self.memory.answered(*sent, &Request::Release(release.request.clone()), &reply);
                let Reply::Released(answer) = reply else { unreachable!("{reply:?} is no answer to {release:?}") };
                release.answered(client, now, *session, Ok(answer));
            }
            (Errand::Release(release), Err(error)) => release.answered(client, now, *session, Err(error)),
        }
        self.settle(process);
    }

    /// A message says that the key was handed over.
    pub(crate) fn grant_arrives(&mut self, process: usize, session: SessionId, grant: &Grant) {
        // Here all clocks are the same, so that the moment of the hand-over is known.
        let at = Moment::from_nanos(grant.clock.micros * 1_000);
        self.memory.handed_over(grant.token, at, grant.first_lease);
        self.processes[process].client.handed_over(self.now, session, grant);
        self.settle(process);
    }
}
