//! A primary and its replica change places, or somebody takes the one for the other.

use std::error::Error as _;
use std::time::Duration;

use lock_runtime::{Client, ConnectError, LockError, Released};
use lock_tests::{Pair, Proxy, Server, on_every_server};

use crate::{SOON, TTL, connect, name, until, until_renewed};

/// What a call that failed says that the store said.
fn reason(error: &LockError) -> String {
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
    error.source().expect("the store said something").to_string()
}

on_every_server! {
    /// Its renewal is answered READONLY there, which is no loss.
    async fn a_connection_to_a_demoted_primary_is_left_and_what_is_held_lives_on(server: Server) {
        let mut pair = Pair::of(server);
        let proxy = Proxy::before(pair.primary());
        let (client, stranger) = (connect(&proxy.url()).await, connect(&pair.primary().url()).await);
        // Longer than a failover takes, and so short that it is renewed in time to notice one.
        let guard = client.lock("held").ttl(TTL * 6).acquire().await.expect("it is free");
        assert!(matches!(stranger.lock("held").acquire().await, Err(LockError::Busy { .. })));
        let before = proxy.counts().connections;
        pair.fail_over();
        // Its name leads to the new primary, and nobody cuts what is there.
        proxy.lead_to(pair.primary().port());
        until_renewed(&guard).await;
        assert!(proxy.counts().connections > before, "it left the demoted one by itself");
        assert!(guard.is_held());
        assert_eq!(client.stats().lost, 0);
        let fence = guard.fence();
        assert_eq!(guard.release().await.expect("it comes to the new primary"), Released::Freed);
        assert_eq!(pair.primary().keys(), ["dlock:fence"]);
        let next = client.lock("held").acquire().await.expect("it is free");
        assert!(next.fence() > fence);
    }

    async fn whoever_waits_is_not_refused_because_it_meets_a_replica(server: Server) {
        let mut pair = Pair::of(server);
        let (proxy, to_holder) = (Proxy::before(pair.primary()), Proxy::before(pair.primary()));
        let (client, holder) = (connect(&proxy.url()).await, connect(&to_holder.url()).await);
        let held = holder.lock("waited for").acquire().await.expect("it is free");
        let waiting = tokio::spawn(client.lock("waited for").wait_forever().run(async {}));
        until("in line", || pair.primary().keys().contains(&format!("{}:queue", name("waited for")))).await;
        pair.fail_over();
        to_holder.lead_to(pair.primary().port());
        let before = proxy.counts().connections;
        proxy.reset_all();
        // Each of these meets a replica.
        until("several tries", || proxy.counts().connections > before + 3).await;
        assert!(!waiting.is_finished());
        let newcomer = Client::builder().operation_timeout(Duration::from_millis(500)).connect_lazy(&proxy.url());
        let newcomer = newcomer.expect("a good URL");
        let told = newcomer.lock("other").acquire().await.expect_err("no primary there");
        assert!(reason(&told).contains("point the URL at its primary"), "{told:?}");
        proxy.lead_to(pair.primary().port());
        newcomer.lock("other").wait(SOON).run(async {}).await.expect("it went on trying");
        assert_eq!(held.release().await.expect("it comes to the new primary"), Released::Freed);
        tokio::time::timeout(SOON, waiting).await.expect("in time").expect("no panic").expect("its turn comes");
    }

    async fn a_client_that_is_pointed_at_a_replica_or_a_cluster_is_told_what_to_do(server: Server) {
        let node = Server::builder(server.kind()).arg("--cluster-enabled", "yes").start();
        let mut pair = Pair::of(server);
        for (url, text) in [(pair.replica().url(), "at its primary"), (node.url(), "without cluster mode")] {
            match Client::connect(&url).await {
                Err(ConnectError::Refused { source, .. }) => assert!(source.to_string().contains(text), "{source}"),
                other => panic!("not refused: {other:?}"),
            }
        }
        let timeout = Duration::from_millis(500);
        let lazy = Client::builder().operation_timeout(timeout).connect_lazy(&pair.replica().url()).expect("a URL");
        let told = lazy.lock("lazy").run(async { panic!("no primary, no body") }).await.expect_err("a replica");
        assert!(reason(&told).contains("point the URL at its primary"), "{told:?}");
        // A replica that is promoted is as good as any primary.
        pair.fail_over();
        lazy.lock("lazy").wait(SOON).run(async {}).await.expect("it went on trying");
    }
}
