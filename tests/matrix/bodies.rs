//! Calls that are never polled, left unread or forgotten, and bodies that leave something behind or do not yield.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason, distributed_lock};
use lock_tests::{Proxy, Server, on_every_server};
use tokio::sync::{Notify, oneshot};

use crate::{SOON, TTL, aside, connect, lease, loss_of, name, stays};

/// Tells when it was woken.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// What an acquire had come to when it was dropped.
enum Dropped {
    /// It had been woken, and not polled since; whether its key was there already.
    Unread { granted: bool },
    /// It had come to its end.
    Read,
}

/// Drops an acquire after it was woken so many times, without the poll that the last one asked for.
async fn dropped_after_wakes(client: &Client, server: &Server, times: u32) -> Dropped {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut acquire = pin!(client.lock("unread").acquire());
    for _ in 0..times {
        if acquire.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return Dropped::Read;
        }
        woken.0.notified().await;
    }
    Dropped::Unread { granted: server.pttl(&name("unread")) > 0 }
}

#[distributed_lock(key = "lazy", ttl = "30s", client = client)]
async fn lazy(client: &Client) -> Result<(), LockError> {
    panic!("it is never polled");
}

on_every_server! {
    async fn a_grant_that_lies_unread_when_its_call_is_dropped_is_given_back(server: Server) {
        let client = connect(&server.url()).await;
        let (mut wakes, mut unread) = (1, 0);
        while let Dropped::Unread { granted } = dropped_after_wakes(&client, &server, wakes).await {
            unread += u32::from(granted);
            server.until_gone(&name("unread"), SOON).await;
            wakes += 1;
            assert!(wakes < 1000, "an acquire comes to its end");
        }
        assert!(unread > 0, "a grant lay unread");
        server.until_gone(&name("unread"), SOON).await;
    }

    async fn a_call_that_is_never_polled_sends_nothing(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect(&proxy.url()).await;
        let mut lazy_seen = pin!(proxy.until_request_containing(b"lazy"));
        let mut after_seen = pin!(proxy.until_request_containing(b"after"));
        drop(client.lock("lazy").wait_forever().run(async {}));
        drop(client.lock("lazy").acquire());
        drop(lazy(&client));
        client.lock("after").run(async {}).await.expect("free");
        // What else was to be sent has been sent then.
        client.shutdown(SOON).await;
        assert!(futures::poll!(&mut after_seen).is_ready());
        assert!(futures::poll!(&mut lazy_seen).is_pending());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_call_is_renewed_until_max_hold_and_no_longer() {
    const SHORT: Duration = Duration::from_millis(500);
    const MAX_HOLD: Duration = Duration::from_millis(1200);
    let server = Server::redis();
    let (client, stranger) = (connect(&server.url()).await, connect(&server.url()).await);
    let (mut visit, body) = stays();
    let mut call = Box::pin(client.lock("forgotten").ttl(SHORT).max_hold(MAX_HOLD).run(body));
    tokio::select! {
        _ = &mut call => panic!("it stays"),
        _ = visit.inside() => {}
    }
    let forgotten = Instant::now();
    std::mem::forget(call);
    drop(stranger.lock("forgotten").wait(SOON).acquire().await.expect("max_hold is over"));
    let kept = forgotten.elapsed();
    assert!(kept > SHORT * 2, "it was not renewed: {kept:?}");
    assert!(kept < MAX_HOLD + SHORT + Duration::from_secs(2), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_body_left_running_is_refused_by_its_fence_after_the_next_grant() {
    let server = Server::redis();
    let client = connect(&server.url()).await;
    // A resource that accepts what is no older than all that it accepted.
    let greatest = Arc::new(AtomicU64::new(0));
    let accepts = |resource: &AtomicU64, fence: u64| resource.fetch_max(fence, Ordering::SeqCst) <= fence;
    let (write, told) = oneshot::channel::<()>();
    let resource = Arc::clone(&greatest);
    let body = async move {
        let lease = lease();
        let stray = tokio::spawn(async move {
            told.await.expect("the test says when");
            (lease.is_held(), accepts(&resource, lease.fence()))
        });
        (stray,)
    };
    let (stray,) = client.lock("left").run(body).await.expect("free");
    let next = client.lock("left").run(async { accepts(&greatest, lease().fence()) });
    assert!(next.await.expect("free"), "the holder is never refused");
    write.send(()).expect("it waits");
    assert_eq!(stray.await.expect("no panic"), (false, false));
}

/// A closure on a blocking thread, as `tokio::fs` uses them: a shutdown drops the body that awaits it and nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_work_that_outlives_a_shutdown_is_refused_by_its_fence_unless_its_body_waits_for_it() {
    let server = Server::redis();
    let stranger = connect(&server.url()).await;
    for continues in [false, true] {
        let client = connect(&server.url()).await;
        let greatest = Arc::new(AtomicU64::new(0));
        let accepts = |resource: &AtomicU64, fence: u64| resource.fetch_max(fence, Ordering::SeqCst) <= fence;
        let (write, told) = std::sync::mpsc::channel::<()>();
        let ((entered, inside), (tells, outcome)) = (oneshot::channel(), oneshot::channel());
        let resource = Arc::clone(&greatest);
        let body = async move {
            let lease = lease();
            entered.send(()).expect("the test waits for it");
            let closure = tokio::task::spawn_blocking(move || {
                told.recv().expect("the test says when");
                tells.send((lease.is_held(), accepts(&resource, lease.fence()))).expect("the test waits for it");
            });
            closure.await.expect("no panic");
        };
        let request = client.lock("blocks");
        let request = if continues { request.continue_when_lost() } else { request };
        let running = tokio::spawn(request.run(body));
        inside.await.expect("it says so");
        let report = client.shutdown(Duration::ZERO).await;
        assert_eq!((report.lost, report.left.len()), (1, usize::from(continues)), "{report:?}");
        let next = stranger.lock("blocks").run(async { accepts(&greatest, lease().fence()) }).await;
        if continues {
            assert!(matches!(next, Err(LockError::Busy { .. })), "its body is inside: {next:?}");
        } else {
            assert!(next.expect("it was released"), "the holder is never refused");
        }
        write.send(()).expect("it waits");
        assert_eq!(outcome.await.expect("it ends"), (false, continues));
        assert_eq!(running.await.expect("no panic").is_ok(), continues);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_blocked_its_thread_while_its_lock_was_lost_is_not_polled_again() {
    let server = Server::redis();
    let client = connect(&server.url()).await;
    let polls = Arc::new(AtomicU32::new(0));
    let (blocks, blocking) = oneshot::channel();
    let (mut blocks, counted) = (Some(blocks), Arc::clone(&polls));
    let body = poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::SeqCst);
        let Some(blocks) = blocks.take() else { return Poll::Ready(()) };
        blocks.send(()).expect("the test waits for it");
        let (lease, deadline) = (lease(), Instant::now() + SOON);
        while lease.is_held() && Instant::now() < deadline {
            // To keep the thread is what a body should not do, and what this is about.
            std::thread::sleep(Duration::from_millis(5));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let call = client.lock("blocked").ttl(TTL).run(body);
    let run = aside(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(call)
    });
    let run = tokio::spawn(run);
    blocking.await.expect("it says so");
    assert!(server.del(&name("blocked")));
    assert_eq!(loss_of(run).await, LossReason::Stolen);
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}
