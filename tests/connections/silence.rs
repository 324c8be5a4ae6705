//! Nobody answers, and nobody says so: cut off, half open, never greeted, or a server that was silent from the start.

use std::time::{Duration, Instant};

use lock_runtime::{Client, ConnectError, LockError, LossReason, Released};
use lock_tests::{Proxy, Server, on_every_server};

use crate::callers::{SOON, TTL, connect, connect_impatient, loss_of, staying, until};
use crate::faulted::{SLACK, tasks, warm};

on_every_server! {
    async fn a_silent_server_is_unreachable_after_the_operation_timeout(server: Server) {
        server.stop();
        let start = Instant::now();
        let builder = Client::builder().operation_timeout(Duration::from_millis(500));
        let error = builder.connect(&server.url()).await.expect_err("nobody answers");
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
        assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_millis(500) + SLACK, "{:?}", start.elapsed());
    }

    async fn an_acquire_that_does_not_wait_is_bounded_by_the_operation_timeout(server: Server) {
        let timeout = Duration::from_millis(500);
        let client = Client::builder().operation_timeout(timeout).connect(&server.url()).await.expect("it is there");
        client.lock("job").run(async {}).await.expect("free");
        server.stop();
        let start = Instant::now();
        let error = client.lock("job").acquire().await.expect_err("nobody answers");
        assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
        // It was given its time, and not much more.
        assert!(start.elapsed() >= timeout, "{:?}", start.elapsed());
        assert!(start.elapsed() < timeout + SLACK, "{:?}", start.elapsed());

        let wait = Duration::from_millis(1500);
        let start = Instant::now();
        let error = client.lock("job").wait(wait).acquire().await.expect_err("nobody answers");
        assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
        assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
        assert!(start.elapsed() < wait + SLACK, "{:?}", start.elapsed());
        server.cont();
        client.lock("job").wait(Duration::from_secs(10)).run(async {}).await.expect("it answers again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_cut_off_is_gone_before_another_enters() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let (client, other) = (connect(&proxy.url()).await, connect(&server.url()).await);
    let (visit, run) = staying(&client, "partition", TTL).await;
    proxy.freeze();
    let entering = tokio::spawn(other.lock("partition").wait(SOON).run(async { Instant::now() }));
    assert_eq!(loss_of(run).await, LossReason::Expired);
    let entered = entering.await.expect("no panic").expect("the ttl is over");
    assert!(visit.left_at() < entered, "two at once for {:?}", visit.left_at() - entered);
    proxy.pass();
    // What it still had to say reaches a lock of somebody else.
    let guard = other.lock("partition").wait(SOON).acquire().await.expect("it is free");
    client.shutdown(SOON).await;
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_replaced_after_timeouts() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect_impatient(&proxy.url()).await;
    warm(&client).await;
    let before = proxy.counts().connections;
    proxy.swallow_requests();
    for _ in 0..2 {
        let asked = Instant::now();
        let silence = client.lock("half-open").acquire().await;
        assert!(matches!(silence, Err(LockError::Unavailable { .. })), "{silence:?}");
        assert!(asked.elapsed() < SOON / 2, "{:?}", asked.elapsed());
    }
    // Nobody closed the old ones, so that it is the time-outs that made it try new ones.
    until("replaced", || proxy.counts().connections > before).await;
    proxy.pass();
    drop(client.lock("half-open").wait(SOON).acquire().await.expect("over a new connection"));
}

#[tokio::test]
async fn a_connection_that_is_accepted_and_never_greeted_costs_its_runtime_no_more_than_an_operation_timeout() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let operation = Duration::from_secs(1);
    let client = Client::builder().operation_timeout(operation).connect(&proxy.url()).await.expect("it is there");
    let delay = Duration::from_millis(200);
    proxy.delay_replies(delay);
    // Behind what redis-rs has a time-out for.
    let greeted = proxy.until_request_containing(b"EVAL");
    let asked = Instant::now();
    let opens = tokio::spawn(client.lock("job").wait(SOON).run(async {}));
    greeted.await;
    proxy.drop_replies();
    // The reply is thrown away when it would be due, which nothing announces.
    tokio::time::sleep(delay * 2).await;
    proxy.pass();
    // Each connection that is open for good listens under a name of its own: the keeper's, and the runtime's.
    while server.ask::<Vec<String>>(&["PUBSUB", "CHANNELS"]).len() < 2 {
        assert!(asked.elapsed() < operation * 4, "{:?}", proxy.counts());
        // Who calls finds out. The keeper serves, over a connection that may have lost a reply to it, too.
        let _ = client.lock("other").acquire().await;
    }
    opens.await.expect("no panic").expect("the keeper asks again");
    until("alone", || tasks() == 2).await;
    drop(client.lock("other").wait(SOON).acquire().await.expect("it is free"));
}
