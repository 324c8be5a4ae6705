//! Whose a connection is: a runtime's that nobody polls any more, a user's own, and a session's that is dropped.

use std::time::{Duration, Instant};

use lock_runtime::redis::{RedisSettings, RedisStore, redis};
use lock_runtime::{Client, Released};
use lock_tests::{Kind, Server};

use crate::callers::{SOON, TTL, aside, connect, until_renewed};
use crate::faulted::warm;
use crate::session::{self, fence, open};

/// Operations of a runtime's own connection are written and read by that runtime.
#[tokio::test]
async fn a_runtime_that_is_not_polled_any_more_holds_up_a_key_for_no_more_than_a_second() {
    let server = Server::redis();
    let client = connect(&server.url()).await;
    aside(move || {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built");
        let (abandoned, other) = (runtime(), runtime());
        abandoned.block_on(warm(&client));
        other.block_on(warm(&client));
        // An ask that is never answered, and given up: its release goes behind it.
        abandoned.block_on(async {
            let mut asking = Box::pin(client.lock("asked").acquire());
            assert!(futures::poll!(&mut asking).is_pending());
        });
        let asked = Instant::now();
        other.block_on(client.lock("asked").wait(SOON).run(async {})).expect("it is free");
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        // Its session did not answer, and was replaced.
        abandoned.block_on(warm(&client));
        // A body's release that is sent, and its answer never read.
        let mut run = Box::pin(client.lock("held").run(tokio::task::yield_now()));
        abandoned.block_on(async {
            while client.stats().held == 0 {
                assert!(futures::poll!(&mut run).is_pending());
                tokio::task::yield_now().await;
            }
            assert!(futures::poll!(&mut run).is_pending());
        });
        let asked = Instant::now();
        other.block_on(client.lock("held").wait(SOON).run(async {})).expect("it is released");
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        drop((run, abandoned));
    })
    .await;
}

/// As a program does that is not asynchronous itself.
#[tokio::test]
async fn a_runtime_that_is_made_for_a_call_costs_the_server_no_connection() {
    let server = Server::redis();
    let client = connect(&server.url()).await;
    warm(&client).await;
    let before = connections_so_far(&server);
    let locks = client.clone();
    aside(move || {
        for number in 0..100 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built");
            runtime.block_on(locks.lock(format!("job:{number}")).run(async {})).expect("it is free");
        }
    })
    .await;
    // To ask takes one itself.
    assert_eq!(connections_so_far(&server) - before, 1);
    assert_eq!(client.stats().acquired, 120);
}

fn connections_so_far(server: &Server) -> u64 {
    let stats: String = server.ask(&["INFO", "stats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a server counts its connections")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_does_on_a_connection_of_its_own_reaches_no_lock() {
    let server = Server::redis();
    let theirs = redis::Client::open(server.url()).expect("a URL of the harness");
    let store = RedisStore::from_client(theirs.clone(), RedisSettings::default()).expect("a store");
    let client = Client::builder().connect_store(store).await.expect("the server is there");
    let guard = client.lock("shared").ttl(TTL).acquire().await.expect("it is free");
    let mut connection = theirs.get_multiplexed_async_connection().await.expect("the server is there");
    for words in [&["SELECT", "1"][..], &["RESET"]] {
        let command = redis::cmd(words[0]).arg(&words[1..]).take();
        command.query_async::<redis::Value>(&mut connection).await.expect("an answer");
    }
    // It never comes back, and whatever stands behind it never begins.
    let blocking = tokio::spawn(async move {
        redis::cmd("BLPOP").arg("nothing").arg(0).query_async::<redis::Value>(&mut connection).await
    });
    until_renewed(&guard).await;
    until_renewed(&guard).await;
    assert_eq!(server.keys(), ["dlock:fence", "dlock:{shared}"]);
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
    blocking.abort();
}

#[tokio::test]
async fn dropping_the_store_and_the_session_leaves_operations_in_flight_alone() {
    let server = Server::builder(Kind::Redis).start();
    let acquiring = open(&server.url()).await.acquire(session::ask("a", 1));
    fence(acquiring.await);
}
