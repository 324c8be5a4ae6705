//! Each test runs in threads as they come and, by `interleavings.rs`, in every order that they could come in.

use std::sync::Mutex as StdMutex;
use std::task::Wake;

use super::super::sync::{AtomicBool, model, thread};
use super::*;
use crate::mutex::enter as entered;
use crate::strange::{Family, Happened};

const FENCE: u64 = 7;

fn seat() -> Arc<Seat> {
    Seat::new("here".into(), "key".into())
}

/// A seat whose steps may start until then.
fn granted(nanos: u64) -> Arc<Seat> {
    let seat = seat();
    seat.granted(FENCE, at(nanos));
    seat
}

const fn at(nanos: u64) -> Moment {
    Moment::from_nanos(nanos)
}

/// Does both at once; says what came of them.
fn at_once<A: Send + 'static, B>(
    seat: &Arc<Seat>,
    there: impl FnOnce(&Seat) -> A + Send + 'static,
    here: impl FnOnce(&Seat) -> B,
) -> (A, B) {
    let theirs = Arc::clone(seat);
    let thread = thread::spawn(move || there(&theirs));
    let here = here(seat);
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
        // Not a store: loom lets a swap overlook one, and no executor does.
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
        let seat = seat();
        assert!(!seat.start_step(at(5)));
        seat.granted(FENCE, at(10));
        assert!(seat.start_step(at(9)));
        seat.end_step();
        assert!(!seat.start_step(at(10)));
        assert!(!seat.end_at_exit());
    });
}

#[test]
fn the_first_loss_is_the_one_that_counts() {
    model(|| {
        let seat = granted(10);
        seat.lose(LossReason::Stolen);
        seat.lose(LossReason::Shutdown);
        assert_eq!(seat.loss(), Some(LossReason::Stolen));
    });
}

#[test]
fn an_ended_lease_is_never_extended() {
    model(|| {
        let seat = granted(10);
        at_once(&seat, |seat| seat.extend(at(100)), Seat::end);
        assert!(!seat.start_step(at(5)));
        seat.extend(at(100));
        assert!(!seat.start_step(at(5)));
    });
}

#[test]
fn a_lost_lease_is_never_extended() {
    model(|| {
        let seat = granted(10);
        at_once(&seat, |seat| seat.extend(at(100)), |seat| seat.lose(LossReason::Stolen));
        assert!(!seat.start_step(at(5)));
    });
}

#[test]
fn a_grant_that_comes_with_a_loss_starts_nothing() {
    model(|| {
        let seat = seat();
        at_once(&seat, |seat| seat.granted(FENCE, at(100)), |seat| seat.lose(LossReason::Shutdown));
        assert!(!seat.start_step(at(5)));
    });
}

#[test]
fn of_a_grant_and_a_renewal_the_later_deadline_stands() {
    model(|| {
        let seat = seat();
        at_once(&seat, |seat| seat.granted(FENCE, at(10)), |seat| seat.extend(at(20)));
        assert_eq!(seat.until(), at(20));
    });
}

#[test]
fn of_two_renewals_the_later_deadline_stands() {
    model(|| {
        let seat = granted(10);
        at_once(&seat, |seat| seat.extend(at(30)), |seat| seat.extend(at(20)));
        assert_eq!(seat.until(), at(30));
    });
}

#[test]
fn a_step_that_starts_knows_the_fence() {
    model(|| {
        let seat = seat();
        let step = |seat: &Seat| seat.start_step(at(5)).then(|| seat.fence());
        // This way round: the other way loom leaves out the order in which the fence would be missing.
        let (fence, ()) = at_once(&seat, step, |seat| seat.granted(FENCE, at(10)));
        assert!(fence.is_none_or(|fence| fence == FENCE), "{fence:?}");
    });
}

#[test]
fn the_end_of_the_process_sees_a_step_or_stops_it() {
    model(|| {
        let seat = granted(10);
        let (started, seen) = at_once(&seat, |seat| seat.start_step(at(5)), Seat::end_at_exit);
        assert!(!started || seen, "a step that nobody saw");
    });
}

/// A renewal that comes at the end of the process changes nothing of that.
#[test]
fn the_end_of_the_process_sees_a_step_or_stops_it_in_spite_of_a_renewal() {
    model(|| {
        let seat = granted(10);
        let renewed = Arc::clone(&seat);
        let renewal = thread::spawn(move || renewed.extend(at(100)));
        let (started, seen) = at_once(&seat, |seat| seat.start_step(at(5)), Seat::end_at_exit);
        renewal.join().expect("no panic there");
        assert!(!started || seen, "a step that nobody saw");
    });
}

#[test]
fn a_body_that_found_its_lease_alive_is_woken_by_a_loss() {
    model(|| {
        let (seat, woken) = (granted(10), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let poll = move |seat: &Seat| {
            seat.register(&waker);
            seat.start_step(at(5))
        };
        let (alive, ()) = at_once(&seat, poll, |seat| seat.lose(LossReason::Stolen));
        assert!(!alive || woken.is(), "a loss that nobody was woken for");
    });
}

/// A wake takes the waker away; the poll that it leads to has to bring it back, also when it looks the same.
#[test]
fn a_body_that_was_woken_before_is_woken_by_a_loss_too() {
    model(|| {
        let (seat, woken) = (granted(10), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        seat.register(&waker);
        let executor = |seat: &Seat| {
            let poll = || {
                seat.register(&waker);
                let alive = seat.start_step(at(5));
                if alive {
                    seat.end_step();
                }
                alive
            };
            let alive = poll();
            if alive && woken.take() { poll() } else { alive }
        };
        let loss = |seat: &Seat| {
            seat.wake();
            seat.lose(LossReason::Stolen);
        };
        let ((), alive) = at_once(&seat, loss, executor);
        assert!(!alive || woken.is(), "a loss that nobody was woken for");
    });
}

/// The waker that another task had before is woken or not; it is the last one that counts.
#[test]
fn a_body_that_moved_to_another_task_is_woken_there() {
    model(|| {
        let (seat, woken) = (granted(10), Arc::new(Woken::default()));
        seat.register(Waker::noop());
        let waker = Waker::from(Arc::clone(&woken));
        let poll = move |seat: &Seat| {
            seat.register(&waker);
            seat.start_step(at(5))
        };
        let (alive, ()) = at_once(&seat, poll, |seat| seat.lose(LossReason::Expired));
        assert!(!alive || woken.is(), "a loss that nobody was woken for");
    });
}

#[test]
fn a_body_that_is_stopped_by_a_loss_knows_why() {
    model(|| {
        let seat = granted(10);
        let poll = |seat: &Seat| seat.start_step(at(5)) || seat.loss().is_some();
        let (knows, ()) = at_once(&seat, poll, |seat| seat.lose(LossReason::MaxHold));
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

/// The address of a waker is another one's when it is gone.
#[test]
fn a_waker_at_an_address_that_was_another_tasks_is_the_one_that_is_woken() {
    model(|| {
        let (seat, family) = (granted(10), Family::new());
        let (former, latter) = (Arc::new(Ledger::default()), Arc::new(Ledger::default()));
        let waker = former.waker(&family);
        seat.register(&waker);
        let address = waker.data().addr();
        drop(waker);
        let waker = latter.waker(&family);
        assert_eq!(waker.data().addr(), address, "this is about what comes after it");
        seat.register(&waker);
        seat.lose(LossReason::Stolen);
        assert_eq!((former.count(Happened::Woken), latter.count(Happened::Woken)), (0, 1));
    });
}

#[test]
fn each_waker_is_dropped_as_often_as_it_is_made() {
    model(|| {
        let (seat, family, ledger) = (granted(10), Family::new(), Arc::new(Ledger::default()));
        for _ in 0..3 {
            seat.register(&ledger.waker(&family));
        }
        assert_eq!((ledger.count(Happened::Cloned), ledger.count(Happened::Dropped)), (3, 3 + 2));
        seat.unregister();
        assert_eq!(ledger.count(Happened::Dropped), 3 + 3);
        seat.wake();
        assert_eq!(ledger.count(Happened::Woken), 0, "its task is gone");
    });
}

/// A clone that wakes, and a destructor that does, find the seat unlocked.
#[test]
fn a_waker_may_use_the_seat_that_clones_or_drops_it() {
    model(|| {
        let (seat, family) = (granted(10), Family::new());
        let waker = || {
            let seat = Arc::downgrade(&seat);
            family.waker(move |_| {
                if let Some(seat) = seat.upgrade() {
                    // Not `wake`, which would not come to an end.
                    seat.unregister();
                }
            })
        };
        seat.register(&waker());
        seat.register(&waker());
        seat.wake();
        seat.register(&waker());
        seat.unregister();
    });
}

/// Of a task that goes and a loss, the waker is taken by one.
#[test]
fn a_waker_that_is_taken_along_is_not_left_behind_by_a_loss() {
    model(|| {
        let (seat, woken) = (granted(10), Arc::new(Woken::default()));
        seat.register(&Waker::from(Arc::clone(&woken)));
        at_once(&seat, |seat| seat.lose(LossReason::Stolen), Seat::unregister);
        assert_eq!(Arc::strong_count(&woken), 1, "nothing of the task is left in its seat");
    });
}

#[test]
fn a_step_after_a_loss_is_seen_by_the_end_of_the_process() {
    model(|| {
        let seat = granted(10);
        seat.lose(LossReason::Expired);
        assert!(!seat.start_step(at(5)));
        assert!(seat.start_step_after_loss(), "its body was told of the loss");
        assert!(seat.end_at_exit());
        seat.end_step();
        assert!(!seat.end_at_exit());
    });
}

/// The end of the process is no loss that a body was told of.
#[test]
fn no_step_starts_after_the_end_of_the_process_because_it_would_after_a_loss() {
    model(|| {
        let seat = granted(10);
        let (started, seen) = at_once(&seat, Seat::start_step_after_loss, Seat::end_at_exit);
        assert!(!started || seen, "a step that nobody saw");
        seat.end_step();
        assert!(!seat.start_step_after_loss());
    });
}
