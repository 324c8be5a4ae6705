//! What those who ask meet while the server is away, and when it is back.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError};
use lock_tests::{Server, on_every_server};

use crate::{SOON, connect};

on_every_server! {
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
        assert!(start.elapsed() < timeout + SOON, "{:?}", start.elapsed());

        let wait = Duration::from_millis(1500);
        let start = Instant::now();
        let error = client.lock("job").wait(wait).acquire().await.expect_err("nobody answers");
        assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
        assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
        assert!(start.elapsed() < wait + SOON, "{:?}", start.elapsed());
        server.cont();
        client.lock("job").wait(Duration::from_secs(10)).run(async {}).await.expect("it answers again");
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
            tokio::time::timeout(Duration::from_secs(1) + SOON, counted).await.expect("reconnects are counted");
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
        tokio::time::timeout(SOON, all_wait).await.expect("nobody is told anything");
        server.restart();
        for call in calls {
            call.await.expect("no panic").expect("it is back");
        }
        assert_eq!(client.stats().unavailable, 0);
        server.until_gone("lock:{job:0}", SOON).await;
    }

    async fn a_held_lock_survives_a_restart_that_keeps_its_key(server: Server) {
        let settings = Server::builder(server.kind()).arg("--appendonly", "yes").arg("--appendfsync", "always");
        let mut server = settings.start();
        let client = connect(&server.url()).await;
        let guard = client.lock("job").ttl(Duration::from_secs(3)).acquire().await.expect("free");
        server.restart();
        // Longer than the ttl, so that only renewals can have kept it.
        let lost = tokio::time::timeout(Duration::from_secs(4), guard.lost()).await;
        assert!(lost.is_err(), "{lost:?}");
        assert!(guard.is_held());
        assert_eq!(guard.release().await.expect("it is back"), lock_runtime::Released::Freed);
        assert!(client.stats().reconnected > 0);
    }
}
