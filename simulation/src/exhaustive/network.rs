//! Requests go to the store, and are executed there; what must be true of that is checked at once.

use lock_core::Moment;
use lock_core::key::{AcquireRequest, Number, ReleaseReply, ReleaseRequest, SessionId};
use lock_core::store::{Acquired, Grant, ListenerId, Rotated, Token};

use super::client::KEY;
use super::memory::Broken;
use super::packet::{Coming, From, Link, Packet, listener};
use super::plan::Plan;
use super::world::World;
use crate::request::{Reply, Request};

impl World {
    /// A process sends a request.
    pub(super) fn send(&mut self, process: usize, session: SessionId, from: From, request: Request) -> Number {
        let (number, sent) = (self.new_packet(), self.now);
        let link = self.link(process, session).expect("what is sent goes over a session that is open");
        link.up.push_back(Packet { number, from, sent, request });
        number
    }

    /// The first request on its way over this connection arrives at the store, which answers.
    pub(super) fn request_arrives(&mut self, plan: &Plan, link: usize) {
        let Some(Packet { number, from, request, .. }) = self.links[link].up.pop_front() else { return };
        let before = self.store.holder(self.now, &KEY);
        let reply = request.execute(self.now, &mut self.store);
        let grants = self.store.take_grants();
        self.check_touched(&request, before);
        self.check_fences(&request, &reply);
        if self.links[link].is_open {
            self.links[link].down.push_back(Coming::Reply(number, from, reply));
        }
        for (to, grant) in grants {
            self.tell(plan, to, grant);
        }
    }

    /// A grant goes to whoever listens.
    fn tell(&mut self, plan: &Plan, to: ListenerId, grant: Grant) {
        if !self.memory.reserved(grant.fence, grant.fences) {
            self.found(Broken::FenceShrank);
        }
        // As long as every session is open, every waiter is told of its grant, so that none counts as alive by its looks.
        if self.faults.resets == plan.faults.resets && !self.store.is_listened_to(to) {
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
