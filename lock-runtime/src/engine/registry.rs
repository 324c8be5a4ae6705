//! The clients of this process: all of them, for its end, and the one that is installed.
//!
//! Must stay true: nobody but the thread that forks is in here at a fork, so that the child finds it usable; what other
//! processes made is not handed out at an exit. Under the lock no client's mutex is locked and nothing is dropped.

use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard, Weak};

use crate::engine::handle::Handle;
use crate::engine::shared::Shared;

static CLIENTS: RwLock<Clients> = RwLock::new(Clients { all: Vec::new(), installed: None });

struct Clients {
    all: Vec<Weak<Shared>>,
    installed: Option<Handle>,
}

fn enter() -> RwLockWriteGuard<'static, Clients> {
    CLIENTS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a client, which it does not keep alive.
pub(crate) fn add(shared: &Arc<Shared>) {
    let gone: Vec<Weak<Shared>> = {
        let mut clients = enter();
        let (there, gone) = std::mem::take(&mut clients.all).into_iter().partition(|client| client.strong_count() > 0);
        clients.all = there;
        clients.all.push(Arc::downgrade(shared));
        gone
    };
    drop(gone);
}

/// Takes the clients that this process made and that still exist.
pub(crate) fn take_all() -> Vec<Arc<Shared>> {
    let all = std::mem::take(&mut enter().all);
    // What another process made stays, also in memory: its parts may be in use by threads that are not here.
    let (others, ours): (Vec<_>, _) = all.iter().filter_map(Weak::upgrade).partition(|shared| shared.is_forked());
    others.into_iter().for_each(std::mem::forget);
    ours
}

/// The clients that this process made and that still exist.
pub(crate) fn all() -> Vec<Arc<Shared>> {
    let all = CLIENTS.read().unwrap_or_else(PoisonError::into_inner).all.clone();
    let (others, ours): (Vec<_>, _) = all.iter().filter_map(Weak::upgrade).partition(|shared| shared.is_forked());
    others.into_iter().for_each(std::mem::forget);
    ours
}

/// The installed client.
pub(crate) fn installed() -> Option<Handle> {
    CLIENTS.read().unwrap_or_else(PoisonError::into_inner).installed.clone()
}

/// Installs a client in the place of that one, unless another thread was faster; returns whether it did.
pub(crate) fn install(new: Handle, in_place_of: Option<&Handle>) -> bool {
    let mut clients = enter();
    let is_as_seen = match (&clients.installed, in_place_of) {
        (None, None) => true,
        (Some(installed), Some(seen)) => installed.is_same(seen),
        _ => false,
    };
    let unused = if is_as_seen { clients.installed.replace(new) } else { Some(new) };
    drop(clients);
    drop(unused);
    is_as_seen
}

/// Waits until nobody is in here, and keeps everybody out until the answer is dropped.
pub(crate) fn lock() -> Box<dyn Any> {
    Box::new(enter())
}
