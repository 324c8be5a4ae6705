//! An exclusive lease that is made a shared one, by its guard or from within its body.
//!
//! What must stay true: once it was asked for, the lease counts as shared, whatever becomes of the request. So nothing
//! but a loss is told as a failure: the keeper goes on asking.

use std::sync::Arc;

use crate::engine::lease_state::LeaseState;
use crate::engine::registry;
use crate::engine::shared::Shared;
use crate::system::paused::{self, HeldOff};
use lock_core::key::{CallId, ManualStep, Number};
use lock_core::store::{Kind, OptionFault};
use lock_core::{LockError, LossReason};

/// Comes back when the store has answered, when the operation time-out is over, or with the loss of the lease.
pub(crate) async fn downgrade(state: Arc<LeaseState>) -> Result<(), LockError> {
    let lost = |reason| match reason {
        LossReason::Forked => LockError::forked(state.key.clone()),
        reason => LockError::lost(state.key.clone(), reason),
    };
    if let Some(reason) = state.loss() {
        return Err(lost(reason));
    }
    let Some((shared, id)) = holder(&state) else { return Err(lost(LossReason::Expired)) };
    if !shared.capabilities.keeps(Kind::Shared) {
        return Err(LockError::invalid_options(state.key.clone(), OptionFault::KindNotKept(Kind::Shared)));
    }
    if state.awaits_success() {
        return Err(LockError::invalid_options(state.key.clone(), OptionFault::DowngradeWithOnce));
    }
    let _held_off = HeldOff::at_most(paused::FOR_AN_ANSWER);
    state.count_as_shared();
    let renewal = shared.with(|client, now| client.downgrade(now, id));
    let asked = Asked { shared, id, renewal };
    match state.until_some(|| asked.answered()).await {
        ManualStep::Lost(reason) => Err(lost(reason)),
        ManualStep::Renewed | ManualStep::Failed(_) | ManualStep::Pending => Ok(()),
    }
}

/// The client whose call has that lease, and the call.
fn holder(state: &Arc<LeaseState>) -> Option<(Arc<Shared>, CallId)> {
    registry::all().into_iter().filter(|shared| *shared.place == *state.place).find_map(|shared| {
        let call = shared.with(|client, _| client.holder_of(&state.key, |caller| Arc::ptr_eq(caller, state)));
        call.map(|call| (shared, call))
    })
}

/// Dropped half-way, nobody waits for it any more.
struct Asked {
    shared: Arc<Shared>,
    id: CallId,
    renewal: Number,
}

impl Asked {
    fn answered(&self) -> Option<ManualStep> {
        if self.shared.is_forked() {
            return Some(ManualStep::Lost(LossReason::Forked));
        }
        match self.shared.with(|client, now| client.manual_next(now, self.id, self.renewal)) {
            ManualStep::Pending => None,
            step => Some(step),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.shared.is_forked() {
            self.shared.with(|client, now| client.manual_cancelled(now, self.id, self.renewal));
        }
    }
}
