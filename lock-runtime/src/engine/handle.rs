//! What keeps a client's keeper alive: each client, guard and body has a handle.

use std::sync::Arc;

use crate::engine::shared::Shared;

/// Cheap to clone. After the last one is dropped, the keeper ends once it has nothing left to do.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Last>);

struct Last {
    shared: Arc<Shared>,
}

impl Drop for Last {
    fn drop(&mut self) {
        if self.shared.is_forked() {
            // The parent goes on using it. What the copy is made of may be locked by a thread that is not here.
            std::mem::forget(Arc::clone(&self.shared));
        } else {
            self.shared.abandon();
        }
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Last { shared }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Whether both are of one client.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
