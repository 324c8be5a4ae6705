//! What happens to leases when the process exits: they are ended and their releases sent, within a time limit.
//!
//! The hook runs when `main` returns and at `process::exit`; not on abort, nor on a signal without a handler. It is the
//! one place where a body is not dropped before its release; instead, no step of it starts any more. A forked process
//! ends the leases of the clients that it made itself, and those alone.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use lock_core::Moment;
use lock_core::walk::CallTable as _;

use crate::engine::lease_state::LeaseState;
use crate::engine::registry;
use crate::engine::shared::Shared;
use crate::store::{Kind, memory};
use crate::system::clock;
use crate::system::forks::{self, Hooks};

/// How long the exit of the process may be delayed: so long, and so much longer for each release, but for so long at
/// the very most. If none of them is confirmed for the first of these, the store is out of reach and the rest is given
/// up.
const BOUND: Duration = Duration::from_millis(250);
const PER_RELEASE: Duration = Duration::from_micros(50);
const AT_MOST: Duration = Duration::from_secs(5);
/// How often the releases are counted meanwhile.
const LOOKS: Duration = Duration::from_millis(10);

/// Releases the client's leases at exit from now on.
///
/// # Errors
/// The system has no memory for the hooks.
pub(crate) fn watch(shared: &Arc<Shared>) -> io::Result<()> {
    forks::watch(Hooks { at_exit: release_all, at_fork: &[registry::lock, memory::lock_names] })?;
    registry::add(shared);
    Ok(())
}

fn release_all() {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    // Those that were closed have nobody who would send anything.
    let clients: Vec<_> = registry::take_all().into_iter().filter(|shared| !shared.thread.has_ended()).collect();
    let releases = clients.iter().map(|shared| shared.with(|client, _| client.unfinished())).sum();
    let watchers: Vec<_> = clients.iter().map(|shared| end_leases(shared, &waker)).collect();
    let give_up = await_releases(clock::now(), releases, || clients.iter().map(|shared| unfinished(shared)).sum());
    for shared in &clients {
        await_leave(shared, give_up, &waker);
    }
    drop(watchers);
}

/// How many releases of a client are still to be awaited; none is where the client's closing has ended.
fn unfinished(shared: &Shared) -> usize {
    shared.with(|client, _| if client.is_closed() { 0 } else { client.unfinished() })
}

/// Returns when none of so many is unfinished, or the bounds are reached; answers with the moment at which they are.
/// Runs on the thread that the end of a closing unparks.
fn await_releases(start: Moment, releases: usize, unfinished: impl Fn() -> usize) -> Moment {
    let all = PER_RELEASE.saturating_mul(u32::try_from(releases).unwrap_or(u32::MAX));
    let give_up = start + (BOUND + all).min(AT_MOST);
    let (mut left, mut stalls) = (releases, start + BOUND);
    while left > 0 && clock::now() < give_up.min(stalls) {
        thread::park_timeout(give_up.min(stalls).since(clock::now()).min(LOOKS));
        let before = std::mem::replace(&mut left, unfinished());
        if left < before {
            stalls = clock::now() + BOUND;
        }
    }
    give_up.min(stalls)
}

/// Waits until the keeper has taken leave. Runs on the thread that the waker unparks.
fn await_leave(shared: &Shared, give_up: Moment, waker: &Waker) {
    shared.wake_keeper.notify_one();
    let (mut ended, mut context) = (pin!(shared.introduction.ended()), Context::from_waker(waker));
    while ended.as_mut().poll(&mut context).is_pending() && clock::now() < give_up {
        thread::park_timeout(give_up.since(clock::now()));
    }
}

/// Ends every lease, and queues a release of each whose body is not in the middle of a step.
fn end_leases(shared: &Shared, waker: &Waker) -> Arc<LeaseState> {
    let watcher = LeaseState::new("".into(), "".into(), Kind::Exclusive, None);
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
