//! Requests go to the store, and are executed there; what must be true of that is checked at once.

use lock_core::key::{AcquireRequest, Number, ReleaseReply, ReleaseRequest, SessionId};
use lock_core::store::{Acquired, Grant, ListenerId, Rotated, StoreError, StoreErrorKind, Token};

use crate::exhaustive::plan::Plan;
use crate::exhaustive::state::client::KEY;
use crate::exhaustive::state::memory::Broken;
use crate::exhaustive::state::packet::{Coming, From, Link, Packet, listener};
use crate::exhaustive::state::world::{Process, World};
use crate::request::{Reply, Request};
use crate::sets::{Before, Done, Wrong};

impl World {
    /// A process sends a request.
    pub(crate) fn send(&mut self, process: usize, session: SessionId, from: From, request: Request) -> Number {
        let (number, sent) = (self.new_packet(), self.now);
        let link = self.link(process, session).expect("what is sent goes over a session that is open");
        link.up.push_back(Packet { number, from, sent, request });
        number
    }

    /// The first request on its way over this connection arrives at the store, which answers.
    pub(crate) fn request_arrives(&mut self, plan: &Plan, link: usize) {
        let Some(Packet { number, from, request, .. }) = self.links[link].up.pop_front() else { return };
        let before = Before::new(&self.store, self.now, &KEY);
        let reply = request.execute(self.now, &mut self.store);
        let grants = self.store.take_grants();
        self.check_holders(plan, &before, &request, &reply, &grants);
        self.check_turns(plan, &before);
        self.check_fences(&request, &reply, &grants);
        if self.links[link].is_open {
            self.links[link].down.push_back(Coming::Answer(number, from, Ok(reply)));
        }
        for (to, grant) in grants {
            self.tell(plan, to, grant);
        }
    }

    /// The first request on its way is not executed, and answered with an error.
    pub(crate) fn request_fails(&mut self, link: usize, kind: StoreErrorKind) {
        let link = &mut self.links[link];
        let Some(Packet { number, from, .. }) = link.up.pop_front() else { return };
        if link.is_open {
            link.down.push_back(Coming::Answer(number, from, Err(StoreError::new(kind, "an error of the store"))));
        }
    }

    /// A grant goes to whoever listens.
    fn tell(&mut self, plan: &Plan, to: ListenerId, grant: Grant) {
        // As long as no session was closed, every waiter is told of its grant, and none counts as alive by its looks.
        let is_told = plan.has_messages && self.faults.resets == plan.faults.resets;
        if is_told && !self.store.is_listened_to(to) {
            self.found(Broken::HandedToTheDead);
        }
        let hears = |link: &&mut Link| link.is_open && listener(link.client, link.session) == to;
        if let Some(link) = self.links.iter_mut().find(hears) {
            link.down.push_back(Coming::Grant(grant));
        }
    }

    /// Only who holds the key changes its lease, and whoever comes in fits and is next.
    fn check_holders(
        &mut self,
        plan: &Plan,
        before: &Before,
        request: &Request,
        reply: &Reply,
        grants: &[(ListenerId, Grant)],
    ) {
        // As long as no session was closed, whoever waits listens, unless it was killed.
        let all_listen = plan.has_messages && self.faults.resets == plan.faults.resets;
        let listens = |process: &Process, token| process.is_running && process.client.knows(token);
        let is_alive = |token| all_listen && self.processes.iter().any(|process| listens(process, token));
        // Tokens are drawn when calls come; whether a later one was quicker is not remembered.
        let came_before = |waiter: Token, token: Token| waiter < token;
        let told: Vec<Token> = grants.iter().map(|(_, grant)| grant.token).collect();
        let wrong = request.about().find_map(|(_, token)| {
            let done = Done::new(request, (token, before.has_queued(token)), reply, &told);
            before.violation(&self.store, self.now, &done, is_alive, came_before)
        });
        match wrong {
            Some(Wrong::Touched) => self.found(Broken::StrangerTouched),
            Some(Wrong::Untold) => self.found(Broken::GrantUntold),
            Some(Wrong::Unfit) => self.found(Broken::HoldersUnfit),
            Some(Wrong::Passed) => self.found(Broken::QueuePassed),
            Some(Wrong::Waits) => self.found(Broken::FirstWaits),
            None => {}
        }
    }

    /// While nothing went wrong and no lease expires, clients take turns.
    fn check_turns(&mut self, plan: &Plan, before: &Before) {
        if self.faults != plan.faults || !plan.expires_never() {
            return;
        }
        let holders = self.store.holders(self.now, &KEY).into_iter().map(|(token, _)| token);
        for holder in holders.filter(|token| !before.is_held_by(*token)) {
            let knows = |token: Token| self.processes.iter().position(|process| process.client.knows(token));
            let Some(client) = knows(holder) else { continue };
            let waiting = self.store.waiters(self.now, &KEY).into_iter().filter(|token| knows(*token) != Some(client));
            let waiting: Vec<Token> = waiting.collect();
            if self.memory.granted(client, &waiting) {
                self.found(Broken::Overtaken);
            }
        }
    }

    /// Who asks may be let in before others, or behind them.
    fn check_fences(&mut self, request: &Request, reply: &Reply, grants: &[(ListenerId, Grant)]) {
        let reserved = match (request, reply) {
            (Request::Ask(request), Reply::Acquired(Acquired::Granted { fence, .. })) => Some((
                *fence,
                match request {
                    AcquireRequest::Ask(_) => 1,
                    AcquireRequest::Look(look) => look.fences,
                    AcquireRequest::Enqueue(enqueue) => enqueue.fences,
                },
            )),
            (
                Request::Release(ReleaseRequest::Rotate(rotate)),
                Reply::Released(ReleaseReply::Rotated(Rotated::Retained { fence, .. })),
            ) => Some((*fence, rotate.fences)),
            _ => None,
        };
        let told = grants.iter().map(|(_, grant)| (grant.fence, grant.fences));
        let mut all: Vec<(u64, u32)> = reserved.into_iter().chain(told).collect();
        all.sort_unstable();
        if !all.into_iter().all(|(fence, fences)| self.memory.reserved(fence, fences)) {
            self.found(Broken::FenceShrank);
        }
    }
}
