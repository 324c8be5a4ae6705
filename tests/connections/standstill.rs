//! Servers that stand still, sleep or pause, for less than a ttl and for longer.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason};
use lock_tests::{Server, Steps, on_every_server};
use tokio::task::JoinHandle;

use crate::callers::{SOON, TTL, connect, lease, loss_of, name, staying, until};
use crate::faulted::survives;

/// A ttl that a server may stand still for less than.
const LONG: Duration = Duration::from_secs(2);

/// Starts a body under a lock of the long ttl, and waits until it runs.
async fn working(client: &Client, key: &'static str) -> (JoinHandle<Result<(), LockError>>, Steps) {
    let steps = Steps::begin();
    let body = steps.clone().take();
    let (running, runs) = tokio::sync::oneshot::channel();
    let request = client.lock(key).ttl(LONG);
    let job = tokio::spawn(request.run(async move {
        running.send(()).expect("the test waits for it");
        body.await;
    }));
    runs.await.expect("the body runs");
    (job, steps)
}

/// One is inside and another waits while the server stands still for longer than the ttl: the one is gone before the
/// other enters. The fault begins when it is called, and ends by itself or by `ends`.
async fn assert_handed_over_by_the_clock(server: &Server, begins: impl FnOnce(), ends: impl FnOnce()) {
    let (holder, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let (visit, run) = staying(&holder, "still", TTL).await;
    let waiting = other.lock("still").wait(SOON);
    let entering = tokio::spawn(waiting.run(async { (Instant::now(), lease().fence()) }));
    server.until_there(&format!("{}:queue", name("still")), SOON).await;
    let fence = server.ask::<u64>(&["GET", "dlock:fence"]);
    begins();
    let reason = loss_of(run).await;
    assert_eq!(reason, LossReason::Expired, "no answer is no theft");
    ends();
    let (entered, later) = entering.await.expect("no panic").expect("the server is back, and the ttl is over");
    assert!(visit.left_at() < entered, "two at once for {:?}", visit.left_at() - entered);
    assert!(later > fence);
}

on_every_server! {
    async fn a_lease_survives_a_pause_of_the_server(server: Server) {
        let client = connect(&server.url()).await;
        survives(&server, &client, || drop(server.command(&["CLIENT", "PAUSE", "300", "ALL"]))).await;
    }

    async fn a_server_that_stands_still_for_less_than_the_ttl_costs_nothing(server: Server) {
        let client = connect(&server.url()).await;
        let (job, steps) = working(&client, "still").await;
        for _ in 0..3 {
            server.stop();
            // The time for which the server stands still is what is tested.
            tokio::time::sleep(LONG / 4).await;
            server.cont();
            // As long as that it goes on, or the three times would be one that is longer than the ttl.
            tokio::time::sleep(LONG / 2).await;
        }
        assert!(!job.is_finished(), "the body runs on");
        assert_eq!(client.stats().lost, 0);
        let before = steps.last();
        let next = until("the next step", || steps.last() > before);
        tokio::time::timeout(Duration::from_millis(100), next).await.expect("it takes step after step");
        job.abort();
        server.until_gone(&name("still"), SOON).await;
    }

    async fn a_body_is_dropped_by_the_deadline_when_the_server_stands_still_for_longer(server: Server) {
        let client = connect(&server.url()).await;
        let (job, steps) = working(&client, "longer").await;
        server.stop();
        let outcome = tokio::time::timeout(SOON, job).await.expect("it is lost").expect("it does not panic");
        let lost = steps.elapsed();
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        // The key was written or renewed when the server still moved: it cannot be there for longer than this.
        assert!(lost < LONG * 2, "lost after {lost:?}");
        assert!(steps.last() <= lost);
        server.cont();
        // The lost lease is released as soon as the server answers, or its ttl has ended it.
        server.until_gone(&name("longer"), SOON).await;
    }

    async fn a_server_that_sleeps_or_pauses_for_longer_than_the_ttl_lets_the_next_in_when_the_first_is_gone(server: Server) {
        let [pauses, pauses_writes] = [(); 2].map(|()| Server::builder(server.kind()).start());
        let asleep = Arc::new(server);
        let sleep = || {
            let asleep = Arc::clone(&asleep);
            // Its answer comes when it has slept.
            thread::spawn(move || asleep.command(&["DEBUG", "SLEEP", "1.25"]));
        };
        let pause = || drop(pauses.command(&["CLIENT", "PAUSE", "1250", "ALL"]));
        let pause_writes = || drop(pauses_writes.command(&["CLIENT", "PAUSE", "1250", "WRITE"]));
        tokio::join!(
            assert_handed_over_by_the_clock(&asleep, sleep, || {}),
            assert_handed_over_by_the_clock(&pauses, pause, || {}),
            assert_handed_over_by_the_clock(&pauses_writes, pause_writes, || {}),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stopped_for_longer_than_the_ttl_lets_the_next_in_when_the_first_is_gone() {
    let server = Server::redis();
    assert_handed_over_by_the_clock(&server, || server.stop(), || server.cont()).await;
}
