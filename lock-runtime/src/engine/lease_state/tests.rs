//! Each test runs with real threads and, by `interleavings.rs`, under every interleaving.

use std::sync::Mutex as StdMutex;
use std::task::Wake;

use super::super::sync::{AtomicBool, model, thread};
use super::*;
use crate::system::mutex::enter as entered;
use crate::system::strange::{Family, Happened};
use lock_core::Moment;

const FENCE: u64 = 7;

fn new() -> Arc<LeaseState> {
    LeaseState::new("here".into(), "key".into(), Kind::Exclusive, None)
}

/// A lease whose steps may start until then.
fn granted(nanos: u64) -> Arc<LeaseState> {
    let lease = new();
    lease.validity.granted(FENCE, at(nanos));
    lease
}

const fn at(nanos: u64) -> Moment {
    Moment::from_nanos(nanos)
}

/// Runs both concurrently; returns both results.
fn at_once<A: Send + 'static, B>(
    lease: &Arc<LeaseState>,
    there: impl FnOnce(&LeaseState) -> A + Send + 'static,
    here: impl FnOnce(&LeaseState) -> B,
) -> (A, B) {
    let theirs = Arc::clone(lease);
    let thread = thread::spawn(move || there(&theirs));
    let here = here(lease);
    (thread.join().expect("no panic there"), here)
}

struct Woken(AtomicBool);

impl Default for Woken {
    fn default() -> Self {
        Self(AtomicBool::new(false))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        // Not a store: loom allows a swap to miss one, and no executor does.
        self.0.swap(true, Ordering::SeqCst);
    }
}

impl Woken {
    fn is(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// What an executor asks before it polls again.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

#[test]
fn no_step_starts_before_the_grant_nor_at_the_deadline() {
    model(|| {
        let lease = new();
        assert!(!lease.validity.start_step(at(5)));
        lease.validity.granted(FENCE, at(10));
        assert!(lease.validity.start_step(at(9)));
        lease.validity.end_step();
        assert!(!lease.validity.start_step(at(10)));
        assert!(!lease.validity.end_at_exit());
    });
}

#[test]
fn the_first_loss_is_the_one_that_counts() {
    model(|| {
        let lease = granted(10);
        lease.lose(LossReason::Stolen);
        lease.lose(LossReason::Shutdown);
        assert_eq!(lease.validity.loss(), Some(LossReason::Stolen));
    });
}

#[test]
fn an_ended_lease_is_never_extended() {
    model(|| {
        let lease = granted(10);
        at_once(&lease, |lease| lease.validity.extend(at(100)), |lease: &LeaseState| lease.validity.end());
        assert!(!lease.validity.start_step(at(5)));
        lease.validity.extend(at(100));
        assert!(!lease.validity.start_step(at(5)));
    });
}

#[test]
fn a_lost_lease_is_never_extended() {
    model(|| {
        let lease = granted(10);
        at_once(&lease, |lease| lease.validity.extend(at(100)), |lease| lease.lose(LossReason::Stolen));
        assert!(!lease.validity.start_step(at(5)));
    });
}

#[test]
fn a_grant_that_comes_with_a_loss_starts_nothing() {
    model(|| {
        let lease = new();
        at_once(&lease, |lease| lease.validity.granted(FENCE, at(100)), |lease| lease.lose(LossReason::Shutdown));
        assert!(!lease.validity.start_step(at(5)));
    });
}

#[test]
fn of_a_grant_and_a_renewal_the_later_deadline_stands() {
    model(|| {
        let lease = new();
        at_once(&lease, |lease| lease.validity.granted(FENCE, at(10)), |lease| lease.validity.extend(at(20)));
        assert_eq!(lease.validity.until(), at(20));
    });
}

#[test]
fn of_two_renewals_the_later_deadline_stands() {
    model(|| {
        let lease = granted(10);
        at_once(&lease, |lease| lease.validity.extend(at(30)), |lease| lease.validity.extend(at(20)));
        assert_eq!(lease.validity.until(), at(30));
    });
}

#[test]
fn a_step_that_starts_knows_the_fence() {
    model(|| {
        let lease = new();
        let step = |lease: &LeaseState| lease.validity.start_step(at(5)).then(|| lease.validity.fence());
        // In this order: in the other one loom skips the interleaving in which the fence would be missing.
        let (fence, ()) = at_once(&lease, step, |lease| lease.validity.granted(FENCE, at(10)));
        assert!(fence.is_none_or(|fence| fence == FENCE), "{fence:?}");
    });
}

#[test]
fn the_end_of_the_process_sees_a_step_or_stops_it() {
    model(|| {
        let lease = granted(10);
        let (started, seen) = at_once(
            &lease,
            |lease| lease.validity.start_step(at(5)),
            |lease: &LeaseState| lease.validity.end_at_exit(),
        );
        assert!(!started || seen, "a step that nobody saw");
    });
}

/// A renewal at the exit of the process does not change that.
#[test]
fn the_end_of_the_process_sees_a_step_or_stops_it_in_spite_of_a_renewal() {
    model(|| {
        let lease = granted(10);
        let renewed = Arc::clone(&lease);
        let renewal = thread::spawn(move || renewed.validity.extend(at(100)));
        let (started, seen) = at_once(
            &lease,
            |lease| lease.validity.start_step(at(5)),
            |lease: &LeaseState| lease.validity.end_at_exit(),
        );
        renewal.join().expect("no panic there");
        assert!(!started || seen, "a step that nobody saw");
    });
}

#[test]
fn a_body_that_found_its_lease_alive_is_woken_by_a_loss() {
    model(|| {
        let (lease, woken) = (granted(10), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let poll = move |lease: &LeaseState| {
            lease.register(&waker);
            lease.validity.start_step(at(5))
        };
        let (alive, ()) = at_once(&lease, poll, |lease| lease.lose(LossReason::Stolen));
        assert!(!alive || woken.is(), "a loss that nobody was woken for");
    });
}

/// A wake-up takes the waker out; the poll that follows has to register it again, even if it is the same.
#[test]
fn a_body_that_was_woken_before_is_woken_by_a_loss_too() {
    model(|| {
        let (lease, woken) = (granted(10), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        lease.register(&waker);
        let executor = |lease: &LeaseState| {
            let poll = || {
                lease.register(&waker);
                let alive = lease.validity.start_step(at(5));
                if alive {
                    lease.validity.end_step();
                }
                alive
            };
            let alive = poll();
            if alive && woken.take() { poll() } else { alive }
        };
        let loss = |lease: &LeaseState| {
            lease.wake();
            lease.lose(LossReason::Stolen);
        };
        let ((), alive) = at_once(&lease, loss, executor);
        assert!(!alive || woken.is(), "a loss that nobody was woken for");
    });
}

/// Whether or not the waker of the earlier task is woken, the last one must be.
#[test]
fn a_body_that_moved_to_another_task_is_woken_there() {
    model(|| {
        let (lease, woken) = (granted(10), Arc::new(Woken::default()));
        lease.register(Waker::noop());
        let waker = Waker::from(Arc::clone(&woken));
        let poll = move |lease: &LeaseState| {
            lease.register(&waker);
            lease.validity.start_step(at(5))
        };
        let (alive, ()) = at_once(&lease, poll, |lease| lease.lose(LossReason::Expired));
        assert!(!alive || woken.is(), "a loss that nobody was woken for");
    });
}

#[test]
fn a_body_that_is_stopped_by_a_loss_knows_why() {
    model(|| {
        let lease = granted(10);
        let poll = |lease: &LeaseState| lease.validity.start_step(at(5)) || lease.validity.loss().is_some();
        let (knows, ()) = at_once(&lease, poll, |lease| lease.lose(LossReason::MaxHold));
        assert!(knows, "a loss without a reason");
    });
}

/// Counts what happens to wakers.
#[derive(Default)]
struct Ledger(StdMutex<Vec<Happened>>);

impl Ledger {
    fn waker(self: &Arc<Self>, family: &Family) -> Waker {
        let ledger = Arc::clone(self);
        family.waker(move |happened| entered(&ledger.0).push(happened))
    }

    fn count(&self, what: Happened) -> usize {
        entered(&self.0).iter().filter(|happened| **happened == what).count()
    }
}

/// The address of a dropped waker is reused by another.
#[test]
fn a_waker_at_an_address_that_was_another_tasks_is_the_one_that_is_woken() {
    model(|| {
        let (lease, family) = (granted(10), Family::new());
        let (former, latter) = (Arc::new(Ledger::default()), Arc::new(Ledger::default()));
        let waker = former.waker(&family);
        lease.register(&waker);
        let address = waker.data().addr();
        drop(waker);
        let waker = latter.waker(&family);
        assert_eq!(waker.data().addr(), address, "this is about what comes after it");
        lease.register(&waker);
        lease.lose(LossReason::Stolen);
        assert_eq!((former.count(Happened::Woken), latter.count(Happened::Woken)), (0, 1));
    });
}

#[test]
fn each_waker_is_dropped_as_often_as_it_is_made() {
    model(|| {
        let (lease, family, ledger) = (granted(10), Family::new(), Arc::new(Ledger::default()));
        for _ in 0..3 {
            lease.register(&ledger.waker(&family));
        }
        assert_eq!((ledger.count(Happened::Cloned), ledger.count(Happened::Dropped)), (3, 3 + 2));
        lease.unregister();
        assert_eq!(ledger.count(Happened::Dropped), 3 + 3);
        lease.wake();
        assert_eq!(ledger.count(Happened::Woken), 0, "its task is gone");
    });
}

/// A clone or a destructor of a waker that uses the lease finds it unlocked.
#[test]
fn a_waker_may_use_the_lease_state_that_clones_or_drops_it() {
    model(|| {
        let (lease, family) = (granted(10), Family::new());
        let waker = || {
            let lease = Arc::downgrade(&lease);
            family.waker(move |_| {
                if let Some(lease) = lease.upgrade() {
                    // Not `wake`, which would recurse without end.
                    lease.unregister();
                }
            })
        };
        lease.register(&waker());
        lease.register(&waker());
        lease.wake();
        lease.register(&waker());
        lease.unregister();
    });
}

/// When a task goes while its lease is lost, just one of the two takes the waker.
#[test]
fn a_waker_that_is_taken_along_is_not_left_behind_by_a_loss() {
    model(|| {
        let (lease, woken) = (granted(10), Arc::new(Woken::default()));
        lease.register(&Waker::from(Arc::clone(&woken)));
        at_once(&lease, |lease| lease.lose(LossReason::Stolen), LeaseState::unregister);
        assert_eq!(Arc::strong_count(&woken), 1, "nothing of the task is left in its lease");
    });
}

#[test]
fn a_step_after_a_loss_is_seen_by_the_end_of_the_process() {
    model(|| {
        let lease = granted(10);
        lease.lose(LossReason::Expired);
        assert!(!lease.validity.start_step(at(5)));
        assert!(lease.validity.start_step_after_loss(), "its body was told of the loss");
        assert!(lease.validity.end_at_exit());
        lease.validity.end_step();
        assert!(!lease.validity.end_at_exit());
    });
}

/// The exit of the process is not a loss that a body was told of.
#[test]
fn no_step_starts_after_the_end_of_the_process_because_it_would_after_a_loss() {
    model(|| {
        let lease = granted(10);
        let (started, seen) = at_once(
            &lease,
            |lease: &LeaseState| lease.validity.start_step_after_loss(),
            |lease: &LeaseState| lease.validity.end_at_exit(),
        );
        assert!(!started || seen, "a step that nobody saw");
        lease.validity.end_step();
        assert!(!lease.validity.start_step_after_loss());
    });
}
