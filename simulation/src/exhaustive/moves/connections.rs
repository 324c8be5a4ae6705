//! Connections are reset, and opened again.

use lock_core::key::SessionId;
use lock_core::store::StoreError;
use lock_core::walk::CallTable as _;

use crate::exhaustive::plan::Plan;
use crate::exhaustive::state::packet::{is_keepers, listener};
use crate::exhaustive::state::world::{Process, World};

impl World {
    /// A connection is reset, and both ends notice. What was on its way to the store may still arrive.
    pub(crate) fn reset(&mut self, plan: &Plan, link: usize) {
        let closed = self.links[link].reset();
        let (process, session) = (closed.client, closed.session);
        self.links.push(closed);
        self.store.unsubscribe(listener(process, session));
        let (now, Process { client, .. }) = (self.now, &mut self.processes[process]);
        if is_keepers(session) {
            client.disconnected();
        } else {
            client.session_gone(now, session);
        }
        self.fail_pending(plan, process, session);
        self.settle(process);
    }

    /// What was sent over it gets no answer.
    fn fail_pending(&mut self, plan: &Plan, process: usize, session: SessionId) {
        let all = std::mem::take(&mut self.processes[process].pending);
        let (failed, rest): (Vec<_>, _) = all.into_iter().partition(|pending| pending.session == session);
        self.processes[process].pending = rest;
        for pending in failed {
            self.keeper_is_told(process, &pending, Err(StoreError::no_answer()));
        }
        let tasks = self.tasks.iter_mut().zip(&plan.calls).filter(|(_, (of, _))| *of == process);
        let sent = tasks.filter_map(|(task, _)| task.sent.as_mut());
        for sent in sent.filter(|sent| sent.session == session && sent.answer.is_none()) {
            sent.answer = Some(Err(StoreError::no_answer()));
        }
    }

    /// It is opened again.
    pub(crate) fn open(&mut self, plan: &Plan, link: usize) {
        self.links[link].is_open = true;
        let (process, session) = (self.links[link].client, self.links[link].session);
        if plan.has_messages {
            self.store.listen(listener(process, session));
        }
        if is_keepers(session) {
            let now = self.now;
            self.processes[process].client.connected(now, session, plan.has_messages);
        }
        self.settle(process);
    }
}
