//! Servers that stand still for longer than a ttl, run somebody's script for too long, or are still loading.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lock_runtime::LossReason;
use lock_tests::{Kind, Server, on_every_server};

use crate::{SOON, TTL, aside, connect, loss_of, name, staying, until, until_renewed};

/// One is inside and another waits while the server stands still for longer than the ttl: the one is gone before the
/// other enters. The fault begins when it is called, and ends by itself or by `ends`.
async fn assert_handed_over_by_the_clock(server: &Server, begins: impl FnOnce(), ends: impl FnOnce()) {
    let (holder, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let (visit, run) = staying(&holder, "still", TTL).await;
    let waiting = other.lock("still").wait(SOON);
    let entering = tokio::spawn(waiting.run(async { (Instant::now(), crate::lease().fence()) }));
    server.until_there(&format!("{}:queue", name("still")), SOON).await;
    let fence = server.ask::<u64>(&["GET", "lock:fence"]);
    begins();
    let reason = loss_of(run).await;
    assert_eq!(reason, LossReason::Expired, "no answer is no theft");
    ends();
    let (entered, later) = entering.await.expect("no panic").expect("the server is back, and the ttl is over");
    assert!(visit.left_at() < entered, "two at once for {:?}", visit.left_at() - entered);
    assert!(later > fence);
}

on_every_server! {
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

/// Keeps the server busy with a script until it is killed.
fn loop_forever(server: &Server) -> thread::JoinHandle<()> {
    let client = redis::Client::open(server.url()).expect("a URL of the harness");
    thread::spawn(move || {
        let mut connection = client.get_connection().expect("the server is there");
        let looped = redis::cmd("EVAL").arg("while true do end").arg(0).query::<()>(&mut connection);
        assert!(looped.is_err(), "it ends by being killed");
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_runs_too_long_costs_nothing_if_it_ends_in_time_and_else_the_lock() {
    let server = Server::redis();
    server.command(&["CONFIG", "SET", "lua-time-limit", "1"]);
    let client = connect(&server.url()).await;
    let guard = client.lock("busy").ttl(TTL * 2).acquire().await.expect("it is free");
    let looping = loop_forever(&server);
    until("refused", || client.stats().renew_failed > 0).await;
    server.command(&["SCRIPT", "KILL"]);
    until_renewed(&guard).await;
    looping.join().expect("no panic");

    let (visit, run) = staying(&client, "too busy", TTL).await;
    let entered = Instant::now();
    let looping = loop_forever(&server);
    assert_eq!(loss_of(run).await, LossReason::Expired);
    assert!(visit.left_at() < entered + TTL, "{:?}", visit.left_at() - entered);
    server.command(&["SCRIPT", "KILL"]);
    looping.join().expect("no panic");
    drop(client.lock("too busy").wait(SOON).acquire().await.expect("the server is at rest"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_still_loading_is_waited_for_and_costs_no_lock() {
    // It takes half a millisecond a key to load, and listens to nobody but a few times in between.
    let server = Server::builder(Kind::Redis).arg("--appendonly", "yes").arg("--appendfsync", "always");
    let mut server = server.arg("--key-load-delay", "500").start();
    server.command(&["EVAL", "for i = 1, 2500 do redis.call('SET', 'key:' .. i, i) end", "0"]);
    let client = connect(&server.url()).await;
    let guard = client.lock("loaded").ttl(TTL * 8).acquire().await.expect("it is free");
    let other = client.lock("other").wait(SOON);
    let url = server.url();
    let refused = thread::spawn(move || {
        let client = redis::Client::open(url).expect("a URL of the harness");
        let deadline = Instant::now() + SOON;
        let is_loading = || {
            let mut connection = client.get_connection_with_timeout(SOON).ok()?;
            redis::cmd("GET").arg("key:1").query::<()>(&mut connection).err()?.code().map(|code| code == "LOADING")
        };
        while Instant::now() < deadline {
            if is_loading() == Some(true) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    });
    let restarting = aside(move || {
        server.restart();
        server
    });
    let asked = tokio::spawn(other.run(async {}));
    let server = restarting.await;
    assert!(refused.join().expect("no panic"), "it told somebody that it was loading");
    asked.await.expect("no panic").expect("who waits hears nothing of it");
    until_renewed(&guard).await;
    assert_eq!((client.stats().lost, client.stats().unavailable), (0, 0));
    assert_eq!(guard.release().await.expect("the server is there"), lock_runtime::Released::Freed);
    drop(server);
}
