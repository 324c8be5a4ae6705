//! Messages that do not arrive, or arrive late: whoever waits looks by itself.

use std::time::{Duration, Instant};

use lock_runtime::{Client, Released};
use lock_tests::{Ledger, Proxy, Server, on_every_server};

use super::{LOOK, SLACK, SOON, all_served, connect, connect_asking, enters, until_in_line};

/// Takes the key once and kills all subscriptions right before its release; when it was granted and when released.
async fn takes_and_kills(server: &Server, client: &Client) -> (Instant, Instant) {
    let guard = client.lock("deaf").wait_forever().acquire().await.expect("its turn comes");
    let granted = Instant::now();
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    let released = Instant::now();
    guard.release().await.expect("the server is there");
    (granted, released)
}

on_every_server! {
    async fn subscriptions_that_die_before_every_release_cost_no_more_than_a_look(server: Server) {
        let [one, other, third] =
            [connect(&server.url()).await, connect(&server.url()).await, connect(&server.url()).await];
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let all = async {
                tokio::join!(
                    takes_and_kills(&server, &one),
                    takes_and_kills(&server, &other),
                    takes_and_kills(&server, &third),
                )
            };
            let (a, b, c) = tokio::time::timeout(SOON, all).await.expect("nobody hangs");
            let mut holds = [a, b, c];
            holds.sort();
            for pair in holds.windows(2) {
                let free = pair[1].0.saturating_duration_since(pair[0].1);
                assert!(free <= LOOK + SLACK, "{free:?}");
            }
        }
        for client in [one, other, third] {
            client.shutdown(SOON).await;
        }
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_message_that_is_lost_with_its_connection_costs_no_more_than_a_look(server: Server) {
        let (proxy, ledger) = (Proxy::before(&server), Ledger::new());
        let (holder, waiter) = (connect(&server.url()).await, connect(&proxy.url()).await);
        let held = holder.lock("lost").acquire().await.expect("it is free");
        let waits = tokio::spawn(waiter.lock("lost").wait_forever().run(enters(&ledger, "lost", Duration::ZERO)));
        until_in_line(&server, "lost", 1).await;
        proxy.drop_replies();
        let message = proxy.until_reply_containing(b"wake:");
        held.release().await.expect("the server is there");
        message.await;
        let lost = Instant::now();
        proxy.pass_anew();
        all_served(vec![waits]).await;
        assert!(lost.elapsed() <= LOOK + SLACK, "{:?}", lost.elapsed());
        assert_eq!((waiter.stats().granted_by_message, waiter.stats().granted_by_look), (0, 1));
        ledger.check().assert_clean();
    }

    async fn waiters_without_a_right_to_any_channel_are_served_by_their_looks(server: Server) {
        server.command(&["ACL", "SETUSER", "deaf", "on", ">secret", "~*", "+@all", "resetchannels"]);
        let url = format!("redis://deaf:secret@127.0.0.1:{}", server.port());
        let ledger = Ledger::new();
        let (holder, waiter) = (connect(&url).await, connect_asking(&url).await);
        let held = holder.lock("deaf").acquire().await.expect("it is free");
        let waits = |_| tokio::spawn(waiter.lock("deaf").wait_forever().run(enters(&ledger, "deaf", Duration::ZERO)));
        let waiters = (0..5).map(waits).collect();
        until_in_line(&server, "deaf", 1).await;
        assert_eq!(held.release().await.expect("the server is there"), Released::Freed, "whatever the channel says");
        assert_eq!(holder.stats().release_failed, 0);
        all_served(waiters).await;
        let stats = waiter.stats();
        assert_eq!((stats.granted_by_message, stats.acquired), (0, 5), "{stats:?}");
        assert!(stats.granted_by_look >= 1, "{stats:?}");
        ledger.check().assert_clean();
    }

    async fn everybody_is_served_over_a_network_with_long_delays(server: Server) {
        let (proxy, ledger) = (Proxy::before(&server), Ledger::new());
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(connect_asking(&proxy.url()).await);
        }
        let delay = Duration::from_millis(600);
        proxy.delay_requests(delay);
        proxy.delay_replies(delay);
        let waits = |client: &Client| {
            tokio::spawn(client.lock("far").wait_forever().run(enters(&ledger, "far", Duration::from_millis(10))))
        };
        all_served(clients.iter().map(waits).collect()).await;
        ledger.check().assert_clean();
        assert_eq!(clients.iter().map(|client| client.stats().lost).sum::<u64>(), 0);
    }
}
