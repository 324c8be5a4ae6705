//! Servers that are killed and come back: with all that they knew, with nothing, still loading, or without scripts.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lock_runtime::store::{Session, Store as _, StoreErrorKind};
use lock_runtime::{LossReason, Released};
use lock_tests::{Kind, Server, on_every_server};
use tokio::time::timeout;

use crate::callers::{SOON, TTL, aside, connect, loss_of, staying, until_renewed};
use crate::faulted::{SLACK, survives};
use crate::session::{acquire, fence, kind, kinds_of_all, open, store};

use StoreErrorKind::Disconnected;

/// The kind of the first error that comes over a connection that was cut off. An operation that is sent in the very
/// moment of the end may stay without an answer, for which those who ask have a time-out.
async fn first_error(session: &Arc<dyn Session>) -> StoreErrorKind {
    for _ in 0..100 {
        if let Ok(answer) = timeout(Duration::from_millis(100), acquire(session, "other", 7)).await {
            return kind(answer);
        }
    }
    panic!("nothing is answered any more");
}

on_every_server! {
    async fn a_killed_server_disconnects(mut server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        server.kill();
        assert_eq!(first_error(&session).await, Disconnected);
        assert_eq!(kinds_of_all(&session).await, [Disconnected; 4]);
        assert!(!session.is_open());
        assert_eq!(kind(store(&server.url()).open().await), Disconnected);
        server.restart();
        fence(acquire(&open(&server.url()).await, "a", 2).await);
    }

    async fn a_server_that_restarts_empty_is_never_met_with_silence(mut server: Server) {
        let client = connect(&server.url()).await;
        let (_visit, run) = staying(&client, "restarted", TTL * 2).await;
        server.kill();
        server.restart();
        let reason = loss_of(run).await;
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

    async fn after_a_restart_the_next_acquire_works(server: Server) {
        let mut server = server;
        let client = connect(&server.url()).await;
        for round in 1..=3 {
            client.lock("job").run(async {}).await.expect("free");
            server.restart();
            client.lock("job").wait(Duration::from_secs(10)).run(async {}).await.expect("it is back");
            // The caller's own connection can be quicker than the keeper's.
            let counted = async {
                while client.stats().reconnected < round {
                    tokio::task::yield_now().await;
                }
            };
            timeout(Duration::from_secs(1) + SLACK, counted).await.expect("reconnects are counted");
        }
        assert_eq!(client.stats().unavailable, 0);
    }

    async fn after_a_restart_an_acquire_that_does_not_wait_works_as_well(server: Server) {
        let mut server = server;
        let client = connect(&server.url()).await;
        for _ in 0..3 {
            client.lock("job").run(async {}).await.expect("free");
            server.restart();
            client.lock("job").run(async {}).await.expect("it is back, and five seconds are enough to notice");
        }
    }

    async fn those_who_wait_never_hear_of_an_outage_that_ends_in_time(server: Server) {
        let mut server = server;
        let client = connect(&server.url()).await;
        client.lock("job").run(async {}).await.expect("free");
        server.kill();
        let calls: Vec<_> = (0..16)
            .map(|n| {
                let key = format!("job:{}", n % 4);
                tokio::spawn(client.lock(key).wait(Duration::from_secs(10)).run(async {}))
            })
            .collect();
        let all_wait = async {
            while client.stats().waiting < 16 {
                tokio::task::yield_now().await;
            }
        };
        timeout(SLACK, all_wait).await.expect("nobody is told anything");
        server.restart();
        for call in calls {
            call.await.expect("no panic").expect("it is back");
        }
        assert_eq!(client.stats().unavailable, 0);
        server.until_gone("dlock:{job:0}", SLACK).await;
    }

    async fn a_held_lock_survives_a_restart_that_keeps_its_key(server: Server) {
        let settings = Server::builder(server.kind()).arg("--appendonly", "yes").arg("--appendfsync", "always");
        let mut server = settings.start();
        let client = connect(&server.url()).await;
        let guard = client.lock("job").ttl(Duration::from_secs(3)).acquire().await.expect("free");
        server.restart();
        // Longer than the ttl, so that only renewals can have kept it.
        let lost = timeout(Duration::from_secs(4), guard.lost()).await;
        assert!(lost.is_err(), "{lost:?}");
        assert!(guard.is_held());
        assert_eq!(guard.release().await.expect("it is back"), Released::Freed);
        assert!(client.stats().reconnected > 0);
    }

    async fn a_lease_survives_forgotten_scripts(server: Server) {
        let client = connect(&server.url()).await;
        survives(&server, &client, || drop(server.command(&["SCRIPT", "FLUSH"]))).await;
    }
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
            // That it listens, and is still loading, is told by its answers alone.
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
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
    drop(server);
}
