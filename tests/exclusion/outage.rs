//! A server that stands still, or is gone for a while, or comes back with nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason};
use lock_tests::{Server, on_every_server};

use super::{SOON, connect, name};

const TTL: Duration = Duration::from_secs(2);

/// A body that counts its steps until it is dropped, and says in milliseconds when it took the last one.
async fn work(started: Instant, last_step: Arc<AtomicU64>) {
    loop {
        last_step.store(millis(started.elapsed()), Ordering::SeqCst);
        // A step every few milliseconds is what this body is for.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("not that long")
}

/// Starts a body under a lock, and waits until it runs.
async fn working(
    client: &Client,
    key: &'static str,
) -> (tokio::task::JoinHandle<Result<(), LockError>>, Arc<AtomicU64>, Instant) {
    let started = Instant::now();
    let last_step = Arc::new(AtomicU64::new(u64::MAX));
    let body = work(started, Arc::clone(&last_step));
    let (running, runs) = tokio::sync::oneshot::channel();
    let request = client.lock(key).ttl(TTL);
    let job = tokio::spawn(request.run(async move {
        running.send(()).expect("the test waits for it");
        body.await;
    }));
    runs.await.expect("the body runs");
    (job, last_step, started)
}

on_every_server! {
    async fn a_server_that_stands_still_for_less_than_the_ttl_costs_nothing(server: Server) {
        let client = connect(&server.url()).await;
        let (job, last_step, _) = working(&client, "still").await;
        for _ in 0..3 {
            server.stop();
            // The time for which the server stands still is what is tested.
            tokio::time::sleep(TTL / 4).await;
            server.cont();
            tokio::time::sleep(TTL / 2).await;
        }
        assert!(!job.is_finished(), "the body runs on");
        assert_eq!(client.stats().lost, 0);
        let before = last_step.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(last_step.load(Ordering::SeqCst) > before);
        job.abort();
        server.until_gone(&name("still"), SOON).await;
    }

    async fn a_body_is_dropped_by_the_deadline_when_the_server_stands_still_for_longer(server: Server) {
        let client = connect(&server.url()).await;
        let (job, last_step, started) = working(&client, "longer").await;
        server.stop();
        let outcome = tokio::time::timeout(SOON, job).await.expect("it is lost").expect("it does not panic");
        let lost = started.elapsed();
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        // The key was written or renewed when the server still moved: it cannot be there for longer than this.
        assert!(lost < TTL * 2, "lost after {lost:?}");
        assert!(Duration::from_millis(last_step.load(Ordering::SeqCst)) <= lost);
        server.cont();
        // The lost lease is released as soon as the server answers, or its ttl has ended it.
        server.until_gone(&name("longer"), SOON).await;
    }

    async fn no_step_starts_at_or_after_the_deadline(server: Server) {
        let client = connect(&server.url()).await;
        let started = Instant::now();
        let last_step = Arc::new(AtomicU64::new(0));
        let body = work(started, Arc::clone(&last_step));
        let outcome = client.lock("deadline").ttl(TTL).renew(false).run(body).await;
        let lost = started.elapsed();
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        // ttl - (ttl / 100 + 2 ms) - ttl / 20, counted from when the request was sent: after `started`.
        let deadline = TTL.saturating_sub(TTL / 100 + Duration::from_millis(2) + TTL / 20);
        let slack = Duration::from_millis(500); // of the request's sending, on a machine that is busy
        assert!(Duration::from_millis(last_step.load(Ordering::SeqCst)) < deadline + slack);
        assert!(lost + Duration::from_millis(10) >= deadline, "given up only when it must be: {lost:?}");
    }

    async fn a_server_that_restarts_empty_is_never_met_with_silence(mut server: Server) {
        let client = connect(&server.url()).await;
        let (job, _, _) = working(&client, "restarted").await;
        server.kill();
        server.restart();
        let outcome = tokio::time::timeout(SOON, job).await.expect("it is lost").expect("it does not panic");
        let Err(LockError::Lost { reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(matches!(reason, LossReason::Stolen | LossReason::Expired), "{reason:?}");
        let guard = client.lock("restarted").wait(SOON).acquire().await.expect("the server is back");
        assert!(guard.is_held());
    }

    async fn fences_grow_over_a_restart_and_a_flush(mut server: Server) {
        let client = connect(&server.url()).await;
        let first = client.lock("fenced").acquire().await.expect("it is free").fence();
        server.kill();
        server.restart();
        let second = client.lock("fenced").wait(SOON).acquire().await.expect("the server is back").fence();
        server.flushall();
        let third = client.lock("fenced").wait(SOON).acquire().await.expect("it is free").fence();
        assert!(first < second && second < third, "{first} {second} {third}");
    }
}
