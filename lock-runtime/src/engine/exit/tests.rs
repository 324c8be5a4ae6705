//! The exit hook without an exit: its steps are run by hand, at moments when it could run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use super::*;
use crate::engine::enclosing;
use crate::store::MemoryStore;
use crate::{Client, LockError, LossReason, Released};

const SOON: Duration = Duration::from_secs(10);

/// A client, and another one at the same store.
fn both() -> (Client, Client) {
    let store = MemoryStore::new();
    let [one, other] = [(); 2].map(|()| Client::builder().connect_store(store.clone()));
    let (one, other) = futures::executor::block_on(async { futures::join!(one, other) });
    (one.expect("memory is always there"), other.expect("memory is always there"))
}

/// What the hook does for one client.
fn exit(client: &Client) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let watcher = end_leases(client.shared(), &waker);
    await_releases(clock::now() + SOON, 1, || unfinished(client.shared()));
    drop(watcher);
}

fn is_free(stranger: &Client, key: &str) -> bool {
    match futures::executor::block_on(stranger.lock(key).acquire()) {
        Ok(guard) => {
            drop(guard);
            true
        }
        Err(LockError::Busy { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_guard_that_lives_on_after_a_shutdown_is_released() {
    let (client, stranger) = both();
    let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
    let report = futures::executor::block_on(client.shutdown(Duration::ZERO));
    assert_eq!((report.lost, report.left.len()), (1, 1));
    assert!(!is_free(&stranger, "a"));
    exit(&client);
    assert!(is_free(&stranger, "a"));
    assert_eq!(guard.state().validity.loss(), Some(LossReason::Shutdown));
    assert_eq!(futures::executor::block_on(client.shutdown(Duration::ZERO)).lost, 1, "it was lost to that one");
}

#[test]
fn a_guard_that_lives_on_after_max_hold_is_released() {
    let (client, stranger) = both();
    let request = client.lock("a").ttl(Duration::from_millis(50)).max_hold(Duration::from_millis(50));
    let guard = futures::executor::block_on(request.acquire()).expect("it is free");
    futures::executor::block_on(guard.renew(SOON)).expect("memory answers");
    assert_eq!(futures::executor::block_on(guard.lost()), LossReason::MaxHold);
    assert!(!is_free(&stranger, "a"));
    exit(&client);
    assert!(is_free(&stranger, "a"));
}

/// The task has taken the first step of its release and not the second, so that the hook finds a lease that is neither
/// held nor lost.
#[test]
fn a_lease_whose_guard_is_just_being_dropped_is_released() {
    let (client, stranger) = both();
    let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
    guard.state().validity.end();
    exit(&client);
    assert!(is_free(&stranger, "a"));
    drop(guard);
}

#[test]
fn a_lease_whose_guard_is_just_being_released_is_released_and_its_task_has_an_answer() {
    let (client, stranger) = both();
    let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
    guard.state().validity.end();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    // The release comes between the hook's two steps and the keeper's; below, after all of them.
    let _watcher = end_leases(client.shared(), &waker);
    let answer = futures::executor::block_on(guard.release());
    await_releases(clock::now() + SOON, 1, || unfinished(client.shared()));
    assert!(is_free(&stranger, "a"));
    assert!(matches!(answer, Ok(Released::Freed) | Err(LockError::Unavailable { .. })), "{answer:?}");

    let (client, stranger) = both();
    let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
    exit(&client);
    assert!(is_free(&stranger, "a"));
    let answer = futures::executor::block_on(guard.release());
    assert!(matches!(answer, Err(LockError::Unavailable { .. })), "{answer:?}");
}

/// The task that asked for it may never be polled again.
#[test]
fn a_release_that_a_task_is_about_to_send_is_sent() {
    let (client, stranger) = both();
    let guard = futures::executor::block_on(client.lock("a").acquire()).expect("it is free");
    let releasing = guard.into_holding().release(SOON);
    exit(&client);
    assert!(is_free(&stranger, "a"));
    drop(releasing);
}

#[test]
fn a_body_that_goes_on_after_its_loss_is_left_alone_in_a_step_and_released_between_two() {
    for in_step in [true, false] {
        let (client, stranger) = both();
        let polls = AtomicUsize::new(0);
        let body = std::future::poll_fn(|_| {
            if polls.fetch_add(1, Ordering::SeqCst) == 1 {
                assert_eq!(enclosing::innermost().expect("it is inside").validity.loss(), Some(LossReason::Shutdown));
                if in_step {
                    exit(&client);
                }
            }
            Poll::<()>::Pending
        });
        let mut run = Box::pin(client.lock("a").continue_when_lost().run(body));
        assert!(poll(&mut run).is_pending());
        let report = futures::executor::block_on(client.shutdown(Duration::ZERO));
        assert_eq!((report.lost, report.left.len()), (1, 1));
        assert!(poll(&mut run).is_pending());
        exit(&client);
        assert_eq!(is_free(&stranger, "a"), !in_step);
        assert!(poll(&mut run).is_pending());
        assert_eq!(polls.load(Ordering::SeqCst), 3, "it was told of its loss, and goes on");
    }
}

#[test]
fn no_step_starts_after_the_end_of_a_process_which_is_no_loss_to_go_on_after() {
    let (client, stranger) = both();
    let polls = AtomicUsize::new(0);
    let body = std::future::poll_fn(|_| {
        polls.fetch_add(1, Ordering::SeqCst);
        Poll::<()>::Pending
    });
    let mut run = Box::pin(client.lock("a").continue_when_lost().run(body));
    assert!(poll(&mut run).is_pending());
    exit(&client);
    assert!(is_free(&stranger, "a"));
    assert!(poll(&mut run).is_pending());
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

#[test]
fn releases_are_awaited_for_as_long_as_some_are_confirmed_and_no_longer_than_their_number_says() {
    let took = |left: &dyn Fn(Duration) -> usize| {
        let start = clock::now();
        await_releases(start, left(Duration::ZERO), || left(clock::now().since(start)));
        clock::now().since(start)
    };
    let silent = took(&|_| 100_000);
    assert!(BOUND <= silent && silent < BOUND * 8, "{silent:?}");
    // 10,000 have three quarters of a second, of which these take half a second or all.
    let steady = |per_release: u32| {
        move |since: Duration| 10_000 - (since.as_micros() as usize / per_release as usize).min(10_000)
    };
    let (done, slow) = (took(&steady(50)), took(&steady(500)));
    assert!(Duration::from_millis(500) <= done, "{done:?}");
    assert!(Duration::from_millis(750) <= slow && slow < Duration::from_secs(3), "{slow:?}");
}
