//! How long a body may run: as long as it likes if the lease is renewed, until the deadline if not, and a thread that
//! it blocks keeps nobody from renewing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason};
use lock_tests::on_every_store;

use crate::{aside, connect, is_busy, lease, runtime, until_lost};

/// Long enough for a thread to be scheduled within, on a machine with too few cores.
const SHORT: Duration = Duration::from_millis(500);

on_every_store! {
    async fn a_body_of_ten_ttls_is_held_throughout(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let (inside, entered) = (Arc::new(AtomicBool::new(false)), Arc::new(tokio::sync::Notify::new()));
        let body = {
            let (inside, entered) = (Arc::clone(&inside), Arc::clone(&entered));
            async move {
                inside.store(true, Ordering::SeqCst);
                entered.notify_one();
                // The time itself is what this is about.
                tokio::time::sleep(SHORT * 10).await;
                let held = lease().is_held();
                inside.store(false, Ordering::SeqCst);
                held
            }
        };
        let run = tokio::spawn(client.lock("job").ttl(SHORT).run(body));
        entered.notified().await;
        let mut asked = 0;
        while inside.load(Ordering::SeqCst) {
            let busy = is_busy(&stranger, "job").await;
            assert!(busy || !inside.load(Ordering::SeqCst), "a stranger got it");
            asked += 1;
            // So that the stranger leaves some of the processor to the holder.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(run.await.expect("no panic").expect("never lost"), "it was held to the end");
        assert!(asked > 100, "{asked} questions in five seconds prove little");
        assert_eq!((client.stats().lost, client.stats().release_failed), (0, 0));
    }

    async fn without_renewal_no_step_starts_at_or_after_the_deadline(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_secs(2);
        let steps: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let body = {
            let steps = Arc::clone(&steps);
            // Polls itself without a pause.
            std::future::poll_fn(move |cx| -> Poll<()> {
                let left = lease().remaining();
                steps.lock().expect("no panic").push(Instant::now());
                assert!(left > Duration::ZERO || !lease().is_held());
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        };
        let before = Instant::now();
        let outcome = tokio::spawn(client.lock("job").ttl(ttl).renew(false).run(body)).await.expect("no panic");
        let over = Instant::now();
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        let steps = steps.lock().expect("no panic");
        let (first, last) = (steps[0], steps[steps.len() - 1]);
        // Less a drift of 22 ms, a margin of 100 ms and the 2 ms that a timer takes. The ask was sent between `before`
        // and the first step.
        let lasts = Duration::from_millis(1876);
        // The clock here is read a little later than the one that decides, so the margin is what this one has.
        assert!(last < first + ttl, "{:?} after the first", last - first);
        assert!(over > before + lasts, "dropped after {:?} already", over - before);
        assert!(over < first + ttl + Duration::from_secs(1), "dropped after {:?} only", over - first);
    }

    async fn without_renewal_a_body_at_rest_is_dropped_before_the_ttl_is_over(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_secs(2);
        let (ended, started) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let body = {
            let (ending, started) = (Ending(Arc::clone(&ended)), Arc::clone(&started));
            async move {
                let _ending = ending;
                *started.lock().expect("no panic") = Some(Instant::now());
                std::future::pending::<()>().await;
            }
        };
        let before = Instant::now();
        let outcome = client.lock("job").ttl(ttl).renew(false).run(body).await;
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        let started = started.lock().expect("no panic").expect("it ran");
        let ended = ended.lock().expect("no panic").expect("it was dropped");
        assert!(ended > before + Duration::from_millis(1876), "dropped after {:?} already", ended - before);
        assert!(ended < started + ttl, "dropped after {:?} only", ended - started);
        until_lost(&client, 1).await;
    }

    async fn a_body_that_returns_from_a_step_that_took_too_long_has_returned(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let body = async {
            // So that the lease ends in the middle of a step.
            std::thread::sleep(SHORT * 2);
            (42, lease().is_held())
        };
        let request = client.lock("job").ttl(SHORT).renew(false);
        assert_eq!(request.run(body).await.expect("it ran to its end"), (42, false));
        stranger.lock("job").run(async {}).await.expect("nobody holds it any more");
    }

    async fn a_body_that_blocks_its_thread_for_five_ttls_keeps_its_lease(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let (entered, is_inside) = tokio::sync::oneshot::channel();
        let inside = Arc::new(AtomicBool::new(true));
        let blocking = blocking(client, entered, Arc::clone(&inside));
        let blocked = tokio::spawn(aside(move || runtime(1).block_on(blocking)));
        is_inside.await.expect("it says so");
        while inside.load(Ordering::SeqCst) {
            let busy = is_busy(&stranger, "job").await;
            assert!(busy || !inside.load(Ordering::SeqCst), "a stranger got it");
            // So that the stranger leaves some of the processor to the holder.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(blocked.await.expect("no panic"), (true, true), "held when the thread woke up, and at the next step");
    }
}

async fn blocking(client: Client, entered: tokio::sync::oneshot::Sender<()>, inside: Arc<AtomicBool>) -> (bool, bool) {
    let body = async {
        entered.send(()).expect("the test waits for it");
        // What a body should not do, and what this is about.
        std::thread::sleep(SHORT * 5);
        let held = lease().is_held();
        // A second step needs a lease that is still alive.
        tokio::task::yield_now().await;
        let still_held = lease().is_held();
        inside.store(false, Ordering::SeqCst);
        (held, still_held)
    };
    client.lock("job").ttl(SHORT).run(body).await.expect("never lost")
}

/// Notes when it is dropped.
struct Ending(Arc<Mutex<Option<Instant>>>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.lock().expect("no panic") = Some(Instant::now());
    }
}
