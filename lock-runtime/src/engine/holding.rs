//! A held lease. When it is dropped, the keeper releases it.

use std::sync::Arc;
use std::time::Duration;

use lock_core::client::ClientState;
use lock_core::key::{CallId, Completion, ReleaseStep, SessionId};
use lock_core::lease::Validity;
use lock_core::store::NodeId;
use lock_core::walk::{self, Start};
use lock_core::{LossReason, Moment};

use crate::engine::handle::Handle;
use crate::engine::lease_state::LeaseState;
use crate::engine::observe;
use crate::engine::releasing::Releasing;
use crate::engine::shared::Shared;
use crate::system::{clock, foreign};

/// See the module.
pub(crate) struct Holding {
    handle: Handle,
    state: Arc<LeaseState>,
    /// None once it has ended.
    walk: Option<walk::Holding>,
}

impl Holding {
    pub(super) fn new(handle: Handle, state: Arc<LeaseState>, walk: walk::Holding) -> Self {
        Self { handle, state, walk: Some(walk) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.handle.shared()
    }

    pub(crate) fn state(&self) -> &Arc<LeaseState> {
        &self.state
    }

    pub(crate) fn id(&self) -> Option<CallId> {
        self.walk.as_ref()?.id()
    }

    /// Whether this is a copy in a forked process; the parent has the lease.
    pub(crate) fn is_forked(&self) -> bool {
        self.shared().is_forked()
    }

    /// How long it has been held.
    pub(crate) fn held_for(&self) -> Duration {
        self.walk.as_ref().map_or(Duration::ZERO, |walk| clock::now().since(walk.granted()))
    }

    /// How long it was waited for.
    pub(crate) fn waited(&self) -> Duration {
        self.walk.as_ref().map_or(Duration::ZERO, walk::Holding::waited)
    }

    /// Asks to start a step of the body; on `Now` the body is in a step. Asking again takes a deadline that has moved
    /// each time, so that it ends.
    pub(crate) fn start_step(&self) -> Start {
        if self.is_forked() {
            return Start::Lost(LossReason::Forked);
        }
        let validity = &self.state.validity;
        while !validity.start_step(clock::now()) {
            let Some(walk) = &self.walk else { return Start::NeverAgain };
            match self.shared().with(|client, now| walk.ask_again(client, now, validity)) {
                Start::Now => {}
                no_step => return no_step,
            }
        }
        Start::Now
    }

    /// The body has ended: releases the lease. Whoever awaits the release has registered its waker already. None if
    /// nobody is to await it.
    pub(crate) fn end(self) -> Option<Releasing> {
        let patience = self.shared().release_timeout;
        // Dropped, it is released by the keeper.
        (!patience.is_zero()).then(|| {
            self.give_back(|walk, client, now, validity, session| walk.end(client, now, validity, patience, session))
        })
    }

    /// The body has succeeded: its release says that it is done.
    pub(crate) fn complete(&self) {
        let Some(walk) = self.walk.as_ref().filter(|_| !self.is_forked()) else { return };
        if let Completion::Lost(reason) = self.shared().with(|client, now| walk.complete(client, now)) {
            foreign::run(|| observe::success_not_kept(&self.state.key, reason));
        }
    }

    /// The same as [`release`](Self::release) after a success, and what becomes of that.
    pub(crate) fn release_completed(self, patience: Duration) -> (Releasing, Completion) {
        let mut completion = Completion::Lost(LossReason::Expired);
        let releasing = self.give_back(|walk, client, now, validity, session| {
            completion = walk.complete(client, now);
            walk.release(client, now, validity, now + patience, session)
        });
        (releasing, completion)
    }

    /// Releases the lease, which is awaited for so long at most. Whoever awaits it has registered its waker already.
    pub(crate) fn release(self, patience: Duration) -> Releasing {
        self.give_back(|walk, client, now, validity, session| {
            walk.release(client, now, validity, now + patience, session)
        })
    }

    fn give_back(
        mut self,
        how: impl FnOnce(
            walk::Holding,
            &mut ClientState<Arc<LeaseState>>,
            Moment,
            &Validity,
            Option<SessionId>,
        ) -> (walk::Releasing, ReleaseStep),
    ) -> Releasing {
        let (handle, state) = (self.handle.clone(), Arc::clone(&self.state));
        if self.is_forked() {
            return Releasing::new(handle, state, None, None);
        }
        self.tell_of_release();
        let session = self.shared().sessions.current(NodeId::ONLY);
        let id = session.as_deref().map(|session| session.id);
        let released = self
            .walk
            .take()
            .map(|walk| self.shared().with(|client, now| (now, how(walk, client, now, &state.validity, id))));
        state.end();
        Releasing::new(handle, state, released, session)
    }

    /// A lease that was lost is told of elsewhere.
    fn tell_of_release(&self) {
        if self.state.validity.loss().is_none() {
            let validity = &self.state.validity;
            foreign::run(|| observe::released(&self.state.key, validity.fence(), || self.held_for()));
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        if self.walk.is_some() {
            self.tell_of_release();
        }
        if let Some(walk) = &mut self.walk {
            self.state.end();
            self.state.unregister();
            self.handle.shared().with(|client, now| walk.abandon(client, now));
        }
    }
}
