//! Requests go to the store, and are executed there; what must be true of that is checked at once.

use lock_core::Moment;
use lock_core::key::{AcquireRequest, Number, ReleaseReply, ReleaseRequest, SessionId};
use lock_core::store::{Acquired, Grant, ListenerId, Rotated, StoreError, StoreErrorKind, Token};

use crate::exhaustive::plan::Plan;
use crate::exhaustive::state::client::KEY;
use crate::exhaustive::state::memory::Broken;
use crate::exhaustive::state::packet::{Coming, From, Link, Packet, listener};
use crate::exhaustive::state::world::World;
use crate::request::{Reply, Request};

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
        let before = self.store.holder(self.now, &KEY);
        let reply = request.execute(self.now, &mut self.store);
        let grants = self.store.take_grants();
        self.check_touched(&request, before);
        self.check_turns(plan, before.map(|(token, _)| token));
        self.check_fences(&request, &reply);
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
        if !self.memory.reserved(grant.fence, grant.fences) {
            self.found(Broken::FenceShrank);
        }
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

    /// Only who holds the key changes it.
    fn check_touched(&mut self, request: &Request, before: Option<(Token, Moment)>) {
        let Some((holder, _)) = before else { return };
        let is_holders = request.about().any(|(_, token)| token == holder);
        if !is_holders && self.store.holder(self.now, &KEY) != before {
            self.found(Broken::StrangerTouched);
        }
    }

    /// While nothing went wrong and no lease expires, clients take turns.
    fn check_turns(&mut self, plan: &Plan, before: Option<Token>) {
        let holder = self.store.holder(self.now, &KEY).map(|(token, _)| token).filter(|holder| Some(*holder) != before);
        let knows = |token: Token| self.processes.iter().position(|process| process.client.knows(token));
        let Some(client) = holder.and_then(knows).filter(|_| self.faults == plan.faults && plan.expires_never()) else {
            return;
        };
        let waiting = self.store.waiters(self.now, &KEY).into_iter().filter(|token| knows(*token) != Some(client));
        let waiting: Vec<Token> = waiting.collect();
        if self.memory.granted(client, &waiting) {
            self.found(Broken::Overtaken);
        }
    }

    fn check_fences(&mut self, request: &Request, reply: &Reply) {
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
        if reserved.is_some_and(|(fence, fences)| !self.memory.reserved(fence, fences)) {
            self.found(Broken::FenceShrank);
        }
    }
}
