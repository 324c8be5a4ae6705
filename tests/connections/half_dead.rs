//! Connections that are silent while others work: forgotten by a gateway, thawed, or dead in one direction.
//!
//! What is promised: after a silence at most one call of a client fails, and the next one works within one operation
//! time-out, whoever asked and whatever was held meanwhile.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use lock_runtime::{Client, LockError};
use lock_tests::{Proxy, Server};

use crate::callers::{SOON, connect, name, until, until_renewed};
use crate::faulted::{SLACK, warm};

const OPERATION: Duration = Duration::from_secs(1);

/// A server, a proxy before it, and a client whose sessions are all open.
async fn all_three(query: &str) -> (Server, Proxy, Client) {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let url = format!("{}{query}", proxy.url());
    let client = Client::builder().operation_timeout(OPERATION).connect(&url).await.expect("it is there");
    warm(&client).await;
    until("open", || proxy.counts().open >= 2).await;
    warm(&client).await;
    (server, proxy, client)
}

/// Calls one after the other, for these keys in turn: how many fail. None takes longer than an operation.
async fn failing(client: &Client, keys: &[&str]) -> usize {
    let mut failed = 0;
    for key in keys.iter().cycle().take(8) {
        let asked = Instant::now();
        let outcome = client.lock(*key).run(async {}).await;
        assert!(asked.elapsed() < OPERATION + SLACK, "{:?}", asked.elapsed());
        match outcome {
            Ok(()) => {}
            Err(LockError::Unavailable { .. }) => failed += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_silence_of_all_old_connections_one_call_fails_at_most() {
    for query in ["", "?protocol=resp2"] {
        for keys in [&["one"][..], &["a", "b", "c", "d", "e", "f", "g", "h"]] {
            let (_server, proxy, client) = all_three(query).await;
            proxy.silence_those_there();
            let failed = failing(&client, keys).await;
            assert!(failed <= 1, "{failed} calls failed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lock_lives_through_a_silence_and_its_renewals_notice_it_for_the_calls() {
    let (server, proxy, client) = all_three("").await;
    let guard = client.lock("held").ttl(Duration::from_secs(3)).acquire().await.expect("it is free");
    proxy.silence_those_there();
    until_renewed(&guard).await;
    assert_eq!(failing(&client, &["other"]).await, 0, "what is silent was replaced by then");
    assert!(guard.is_held());
    guard.release().await.expect("the server is there");
    server.until_gone(&name("held"), SOON).await;
    assert_eq!(client.stats().lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_waits_through_a_silence_is_served_soon_after_the_release() {
    for query in ["", "?protocol=resp2"] {
        let (server, proxy, client) = all_three(query).await;
        let holder = connect(&server.url()).await;
        let guard = holder.lock("awaited").acquire().await.expect("it is free");
        let waiting = tokio::spawn(client.lock("awaited").wait(SOON).run(async {}));
        server.until_there(&format!("{}:queue", name("awaited")), SOON).await;
        proxy.silence_those_there();
        guard.release().await.expect("the server is there");
        let asked = Instant::now();
        waiting.await.expect("no panic").expect("it is its turn");
        assert!(asked.elapsed() < OPERATION * 3 + SLACK, "{:?}", asked.elapsed());
    }
}

/// Its request may still take effect, so that the next call for the key stands behind its release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_given_up_in_a_silence_costs_the_next_one_no_operation_time_out() {
    let (_server, proxy, client) = all_three("").await;
    proxy.silence_those_there();
    let gone = tokio::time::timeout(Duration::from_millis(50), client.lock("given-up").run(async {})).await;
    assert!(gone.is_err(), "nobody answers it: {gone:?}");
    let failed = failing(&client, &["given-up"]).await;
    assert!(failed <= 1, "{failed} calls failed");
}

/// The replies are lost, and all that was asked was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_silence_in_one_direction_one_call_fails_at_most() {
    let (server, proxy, client) = all_three("").await;
    proxy.silence_replies_of_those_there();
    let failed = failing(&client, &["one-way"]).await;
    assert!(failed <= 1, "{failed} calls failed");
    server.until_gone(&name("one-way"), SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keepers_silence_alone_fails_nobody_and_renewals_go_over_another_connection() {
    let (server, proxy, client) = all_three("").await;
    let guard = client.lock("held").ttl(Duration::from_millis(1500)).acquire().await.expect("it is free");
    // The keeper connects first, and no connection can be made instead of it.
    proxy.refuse_new();
    proxy.silence_one(0);
    for _ in 0..3 {
        until_renewed(&guard).await;
    }
    assert_eq!(failing(&client, &["a", "b"]).await, 0);
    drop(guard);
    server.until_gone(&name("held"), SOON).await;
    assert_eq!(client.stats().lost, 0);
}

/// With RESP2 a connection of its own brings the messages, which no request would find silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_for_messages_costs_one_waiter_a_look_and_is_replaced() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let url = format!("{}?protocol=resp2", proxy.url());
    let client = Client::builder().operation_timeout(OPERATION).connect(&url).await.expect("it is there");
    // Of the keeper, which nothing else talks to: the calls of this test are few.
    let before = proxy.counts().connections;
    proxy.silence_one(1);
    let holder = connect(&server.url()).await;
    let guard = holder.lock("awaited").acquire().await.expect("it is free");
    let mut waiting = std::pin::pin!(client.lock("awaited").wait(SOON).acquire());
    assert!(waiting.as_mut().now_or_never().is_none());
    server.until_there(&format!("{}:queue", name("awaited")), SOON).await;
    guard.release().await.expect("the server is there");
    drop(waiting.await.expect("it is its turn"));
    until("replaced", || proxy.counts().connections > before + 1).await;
}

/// Whoever accepts and never answers is found out again and again, and costs nobody more than an operation's time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_new_connections_are_silent_too_each_call_fails_in_time_and_works_again_when_they_are_not() {
    let (_server, proxy, client) = all_three("").await;
    proxy.freeze();
    for _ in 0..3 {
        let asked = Instant::now();
        let error = client.lock("frozen").run(async {}).await.expect_err("nobody answers");
        assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
        assert!(asked.elapsed() < OPERATION + SLACK, "{:?}", asked.elapsed());
    }
    proxy.pass();
    let failed = failing(&client, &["frozen"]).await;
    assert!(failed <= 1, "{failed} calls failed");
}

/// A server that is slow, but answers within an operation's time, loses no connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_is_not_flooded_with_connections() {
    let (_server, proxy, client) = all_three("").await;
    let before = proxy.counts().connections;
    proxy.delay_replies(OPERATION * 2 / 5);
    for _ in 0..3 {
        client.lock("slow").run(async {}).await.expect("it is free");
    }
    assert_eq!(proxy.counts().connections, before);
}
