//! What is on its way between a client and the store: in order, over one of two connections.

use std::collections::VecDeque;

use lock_core::Moment;
use lock_core::key::{CallNames, Number, ReleaseReply, SessionId};
use lock_core::store::{Acquired, Grant, ListenerId, Rotated, StoreError};

use crate::request::{Reply, Request};

/// The first session of a keeper, and of the runtime on which a client's tasks run. The next is two further.
pub(crate) const KEEPERS: SessionId = SessionId(1);
pub(crate) const TASKS: SessionId = SessionId(2);

/// Whether this is a keeper's.
pub(crate) fn is_keepers(session: SessionId) -> bool {
    session.0 % 2 == 1
}

/// Who is told of grants over this session: over each of the keeper's the same.
pub(crate) fn listener(client: usize, session: SessionId) -> ListenerId {
    let of = if is_keepers(session) { KEEPERS } else { session };
    ListenerId::from_bits((client as u128) << 64 | u128::from(of.0))
}

/// Who awaits an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum From {
    Task(usize),
    Keeper,
}

/// A request on its way to the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Packet {
    pub(crate) number: Number,
    pub(crate) from: From,
    pub(crate) sent: Moment,
    pub(crate) request: Request,
}

/// What is on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Coming {
    Answer(Number, From, Result<Reply, StoreError>),
    Grant(Grant),
}

/// One connection of a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    pub(crate) client: usize,
    /// That of now, or the next one.
    pub(crate) session: SessionId,
    pub(crate) is_open: bool,
    pub(crate) up: VecDeque<Packet>,
    pub(crate) down: VecDeque<Coming>,
    /// Until when nothing arrives, either way.
    pub(crate) up_stalled: Option<Moment>,
    pub(crate) down_stalled: Option<Moment>,
}

impl Link {
    pub(crate) fn new(client: usize, session: SessionId) -> Self {
        let (up, down) = (VecDeque::new(), VecDeque::new());
        Self { client, session, is_open: true, up, down, up_stalled: None, down_stalled: None }
    }

    /// It ends. What is on its way to the store may still arrive: it stays on a connection that is closed.
    pub(crate) fn reset(&mut self) -> Self {
        let next = Self { is_open: false, ..Self::new(self.client, SessionId(self.session.0 + 2)) };
        let last = std::mem::replace(self, next);
        Self { is_open: false, down: VecDeque::new(), down_stalled: None, ..last }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }

    pub(crate) fn show_names(&mut self, names: &mut impl CallNames) {
        for Packet { number, sent, request, .. } in &mut self.up {
            names.number(number);
            names.moment(sent);
            show_request(request, names);
        }
        for coming in &mut self.down {
            match coming {
                Coming::Answer(number, _, answer) => {
                    names.number(number);
                    if let Ok(reply) = answer {
                        show_reply(reply, names);
                    }
                }
                Coming::Grant(grant) => {
                    names.token(&mut grant.token);
                    names.fence(&mut grant.fence);
                    names.clock(&mut grant.clock.micros);
                }
            }
        }
        for stalled in [&mut self.up_stalled, &mut self.down_stalled].into_iter().flatten() {
            names.moment(stalled);
        }
    }
}

pub(crate) fn show_request(request: &mut Request, names: &mut impl CallNames) {
    match request {
        Request::Ask(request) => request.show_names(names),
        Request::Release(request) => request.show_names(names),
        Request::Downgrade(downgrade) => names.token(&mut downgrade.token),
        Request::Renew(batch) => {
            for renewal in batch {
                names.token(&mut renewal.token);
            }
        }
    }
}

pub(crate) fn show_reply(reply: &mut Reply, names: &mut impl CallNames) {
    match reply {
        Reply::Acquired(Acquired::Granted { fence, .. })
        | Reply::Released(ReleaseReply::Rotated(Rotated::Retained { fence, .. })) => names.fence(fence),
        Reply::Acquired(Acquired::Held { queued_at: Some(clock), .. })
        | Reply::Released(ReleaseReply::Rotated(Rotated::HandedOver { clock, .. })) => names.clock(&mut clock.micros),
        _ => {}
    }
}
