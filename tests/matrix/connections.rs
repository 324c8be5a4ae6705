//! Connections that die, fall silent, are cut off, or bring what was sent long ago.

use std::time::{Duration, Instant};

use lock_runtime::redis::{RedisSettings, RedisStore, redis};
use lock_runtime::{Client, LockError, LossReason, Released};
use lock_tests::{Proxy, Server};

use crate::{SOON, TTL, aside, connect, connect_impatient, loss_of, name, staying, until, until_renewed};

/// So that the runtime has a connection of its own: a first acquire may go by the keeper's.
async fn warm(client: &Client) {
    for _ in 0..20 {
        client.lock("warm").run(async {}).await.expect("it is free");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_between_a_grant_and_its_reply_grants_once() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let (client, stranger) = (connect(&proxy.url()).await, connect(&server.url()).await);
    warm(&client).await;
    let before = client.stats().acquired;
    proxy.hold_replies();
    let acquire = tokio::spawn(client.lock("once").wait(SOON).acquire());
    server.until_there(&name("once"), SOON).await;
    proxy.pass_anew();
    let guard = acquire.await.expect("no panic").expect("it knows its token, or asks again");
    assert!(matches!(stranger.lock("once").acquire().await, Err(LockError::Busy { .. })));
    assert_eq!(client.stats().acquired, before + 1);
    let fence = guard.fence();
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
    assert!(stranger.lock("once").acquire().await.expect("it was freed").fence() > fence);
    // A grant that nobody saw would be there for half a minute.
    client.shutdown(SOON).await;
    server.until_gone(&name("once"), SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_whose_reply_is_lost_is_given_back_long_before_its_ttl() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect_impatient(&proxy.url()).await;
    warm(&client).await;
    server.reset_commandstats();
    proxy.drop_replies();
    let unheard = client.lock("lost").run(async { panic!("nobody knows of a grant") }).await;
    assert!(matches!(unheard, Err(LockError::Unavailable { .. })), "{unheard:?}");
    assert!(server.commandstats()["set"] > 0, "the server executed it");
    server.until_gone(&name("lost"), SOON).await;
    proxy.pass_anew();
    drop(client.lock("lost").wait(SOON).acquire().await.expect("it is free"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_whose_replies_are_lost_for_a_while_cost_nothing() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect(&proxy.url()).await;
    let guard = client.lock("unheard").ttl(TTL * 3).acquire().await.expect("it is free");
    let renewal = || proxy.until_request_containing(b"EVAL");
    proxy.drop_replies();
    renewal().await;
    let before = Instant::now() + guard.remaining();
    // The first one had no answer: this is the second try.
    renewal().await;
    assert!(Instant::now() + guard.remaining() < before + TTL / 4, "only a reply confirms");
    proxy.pass_anew();
    until_renewed(&guard).await;
    assert!(client.stats().renew_failed > 0);
    assert_eq!(client.stats().lost, 0);
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
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
    assert_eq!(server.keys(), ["lock:fence", "lock:{shared}"]);
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
    blocking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_and_a_release_that_arrive_late_leave_the_next_holder_alone() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let (client, other) = (connect(&proxy.url()).await, connect(&server.url()).await);
    let guard = client.lock("late").ttl(TTL).acquire().await.expect("it is free");
    proxy.hold_requests();
    proxy.until_request_containing(b"EVAL").await;
    drop(guard);
    server.until_gone(&name("late"), SOON).await;
    let next = other.lock("late").acquire().await.expect("the ttl is over");
    let token = server.get(&name("late"));
    proxy.pass();
    // It has had its answers when it is at rest.
    assert!(client.shutdown(SOON).await.left.is_empty());
    assert_eq!(server.get(&name("late")), token);
    assert!(server.pttl(&name("late")) > 20_000);
    assert_eq!(next.release().await.expect("the server is there"), Released::Freed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closed_for_idleness_costs_no_call() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    // A connection that is told of grants is never idle to a server; with RESP2 it is another one than that of calls.
    let client = connect(&format!("{}?protocol=resp2", proxy.url())).await;
    warm(&client).await;
    let open = proxy.counts().open;
    server.command(&["CONFIG", "SET", "timeout", "1"]);
    until("closed", || proxy.counts().open < open).await;
    let asked = Instant::now();
    client.lock("idle").run(async {}).await.expect("it is free");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(client.stats().unavailable, 0);
}

/// How many tasks there are on the runtime of the test.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn connections_that_end_while_nobody_asks_leave_neither_tasks_nor_connections() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect(&proxy.url()).await;
    for _ in 0..50 {
        // Until this runtime has a connection of its own, which is a task of redis-rs and one of ours.
        while tasks() < 2 || proxy.counts().open < 2 {
            client.lock("idle").wait(SOON).run(async {}).await.expect("it is free");
        }
        for kind in ["normal", "pubsub"] {
            server.command(&["CLIENT", "KILL", "TYPE", kind]);
        }
        until("at rest", || tasks() == 0 && proxy.counts().open == 0).await;
    }
    client.lock("idle").wait(SOON).run(async {}).await.expect("it is free");
    assert_eq!(client.stats().unavailable, 0);
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
