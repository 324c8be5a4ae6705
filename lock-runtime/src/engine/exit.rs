//! What happens to leases when the process exits: they are ended and their releases sent, within a time limit.
//!
//! The hook runs when `main` returns and at `process::exit`; not on abort, nor on a signal without a handler. It is the
//! one place where a body is not dropped before its release; instead, no step of it starts any more.

use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use once_cell::sync::OnceCell;

use lock_core::Moment;
use lock_core::walk::CallTable as _;

use crate::engine::lease_state::LeaseState;
use crate::engine::shared::Shared;
use crate::system::clock;
use crate::system::mutex::enter;

/// How long the exit of the process may be delayed.
const BOUND: Duration = Duration::from_millis(250);

static CLIENTS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// The process that registered the hook. A forked child inherits the hook, but neither the keeper's thread nor a right
/// to the leases.
static REGISTERED: OnceCell<u32> = OnceCell::new();

/// Releases the client's leases at exit from now on.
pub(crate) fn watch(shared: &Arc<Shared>) {
    REGISTERED.get_or_init(|| {
        register();
        std::process::id()
    });
    let mut clients = enter(&CLIENTS);
    clients.retain(|client| client.strong_count() > 0);
    clients.push(Arc::downgrade(shared));
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn register() {
    extern "C" fn at_exit() {
        if REGISTERED.get() == Some(&std::process::id()) {
            release_all();
        }
    }
    // SAFETY: `at_exit` is a function without captures that lives as long as the process, and does not unwind.
    unsafe { libc::atexit(at_exit) };
}

/// On other systems keys are left to their ttl at exit.
#[cfg(not(unix))]
fn register() {}

fn release_all() {
    // A panic must not cross into the C library.
    let _ = std::panic::catch_unwind(|| {
        let clients = std::mem::take(&mut *enter(&CLIENTS));
        let give_up = clock::now() + BOUND;
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let closing: Vec<_> =
            clients.iter().filter_map(Weak::upgrade).map(|shared| (end_leases(&shared, &waker), shared)).collect();
        for (_, shared) in closing {
            await_releases(&shared, give_up, &waker);
        }
    });
}

/// Waits until the releases are answered and the keeper has taken leave. Runs on the thread that the waker unparks.
fn await_releases(shared: &Shared, give_up: Moment, waker: &Waker) {
    while !shared.with(|client, _| client.closed().is_some()) && clock::now() < give_up {
        thread::park_timeout(give_up.since(clock::now()));
    }
    shared.wake_keeper.notify_one();
    let (mut ended, mut context) = (pin!(shared.introduction.ended()), Context::from_waker(waker));
    while ended.as_mut().poll(&mut context).is_pending() && clock::now() < give_up {
        thread::park_timeout(give_up.since(clock::now()));
    }
}

/// Ends every lease, and queues a release of each whose body is not in the middle of a step.
fn end_leases(shared: &Shared, waker: &Waker) -> Arc<LeaseState> {
    let watcher = LeaseState::new("".into(), "".into());
    watcher.register(waker);
    let leases = shared.with(|client, now| client.close_at_exit(now, Arc::clone(&watcher)));
    for (id, state) in leases {
        // Including lost leases, and leases whose guard is being dropped right now: ending a lease twice is harmless.
        let in_step = state.validity.end_at_exit();
        shared.with(|client, now| if in_step { client.leave_to_ttl(now, id) } else { client.end(now, id, None) });
    }
    watcher
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests;
