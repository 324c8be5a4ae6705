//! An acquire of several keys, as its task drives it to all grants.
//!
//! One key after the other, in the order of their bytes, which is the same in every process: so nobody waits for a key
//! while holding a later one, and no ring of waiters can close. What is held while the next is waited for is renewed,
//! and may be lost, which ends the call.
//! Dropped at any point, it gives up what it asks for, then what it holds, the last one first.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lock_core::lease::{Terms, Wait};
use lock_core::{LockError, Moment};

use crate::engine::acquiring::Acquiring;
use crate::engine::enclosing;
use crate::engine::handle::Handle;
use crate::engine::several::held::{HeldSet, StartSet, lost};
use crate::engine::several::leases::Leases;
use crate::system::clock;

/// See the module.
pub(crate) struct AcquiringSet {
    asking: Option<Acquiring>,
    /// None once it has ended.
    held: Option<HeldSet>,
    handle: Handle,
    leases: Arc<Leases>,
    terms: Terms,
    /// When it was first polled.
    arrived: Option<Moment>,
}

impl AcquiringSet {
    pub(crate) fn new(handle: Handle, leases: Arc<Leases>, terms: Terms) -> Self {
        let held = Some(HeldSet::none_of(Arc::clone(&leases)));
        Self { asking: None, held, handle, leases, terms, arrived: None }
    }

    /// How long it has been waiting for.
    pub(crate) fn waited(&self) -> Duration {
        self.arrived.map_or(Duration::ZERO, |arrived| clock::now().since(arrived))
    }

    /// Takes steps until it has to wait or has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<HeldSet, LockError>> {
        if self.arrived.is_none() {
            if let Some(refused) = self.already_held() {
                return Poll::Ready(Err(refused));
            }
            self.arrived = Some(clock::now());
        }
        loop {
            if let Some(ended) = self.check_held(cx) {
                return ended;
            }
            let Some(held) = &mut self.held else { return Poll::Pending };
            let Some(state) = self.leases.states().get(held.len()) else {
                return self.held.take().map_or(Poll::Pending, |held| Poll::Ready(Ok(held)));
            };
            let asking = match &mut self.asking {
                Some(asking) => asking,
                none => {
                    let terms = Terms { wait: left_of(self.terms.wait, self.arrived), ..self.terms };
                    none.insert(Acquiring::new(self.handle.clone(), Arc::clone(state), terms))
                }
            };
            match asking.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(holding)) => {
                    holding.shared().observed.acquired(&state.key, state.validity.fence());
                    held.push(holding);
                    self.asking = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.refused(error))),
            }
        }
    }

    /// Refused before anything is taken, if an enclosing body holds one of them.
    fn already_held(&self) -> Option<LockError> {
        if self.handle.shared().is_forked() {
            // It is told so by the first that is asked for.
            return None;
        }
        let held = self.leases.states().iter().find(|state| enclosing::holder(&state.place, &state.key).is_some());
        held.map(|state| LockError::already_held(state.key.clone()))
    }

    /// What ends it because of what it holds so far. The task is woken when one of those is lost.
    fn check_held(&self, cx: &mut Context<'_>) -> Option<Poll<Result<HeldSet, LockError>>> {
        let held = self.held.as_ref().filter(|held| held.len() > 0)?;
        held.all().iter().for_each(|held| held.state().register(cx.waker()));
        match held.start_step() {
            StartSet::Now => held.end_step(),
            StartSet::NeverAgain => return Some(Poll::Pending),
            StartSet::Lost(key, reason) => return Some(Poll::Ready(Err(lost(key, reason)))),
        }
        None
    }

    /// Whoever was to wait is told for how long the call waited, not for how long it did for the last key.
    fn refused(&self, error: LockError) -> LockError {
        let waits = self.terms.wait != Wait::AtMost(Duration::ZERO);
        match error {
            LockError::Busy { key, free_in, .. } => {
                let error = LockError::busy(key, if waits { self.waited() } else { Duration::ZERO });
                free_in.map_or(error.clone(), |left| error.with_free_in(left))
            }
            error => error,
        }
    }
}

/// What is left of one wait for all.
fn left_of(wait: Wait, arrived: Option<Moment>) -> Wait {
    match (wait, arrived) {
        (Wait::AtMost(wait), Some(arrived)) => Wait::AtMost(wait.saturating_sub(clock::now().since(arrived))),
        (wait, _) => wait,
    }
}
