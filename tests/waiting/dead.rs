//! Waiters that were killed or stopped: what they cost the others, and what they may do when they wake up.

use std::time::Instant;

use lock_tests::{Ledger, Server, on_every_server};

use super::fleet::Waiter;
use super::{FIRST_LEASE, LOOK, SLACK, SOON, connect, in_line, name, notices_the_dead, queue, until_in_line};

/// So many processes stand in line, in their order, behind a holder of the test's own.
async fn in_a_line(
    count: usize,
    server: &Server,
    ledger: &Ledger,
    key: &str,
) -> (Vec<Waiter>, lock_runtime::LockGuard) {
    let client = connect(&server.url()).await;
    let holder = client.lock(key).acquire().await.expect("nobody else is here yet");
    let mut waiters = Waiter::several(count, server, ledger, key, "local").await;
    for (place, waiter) in waiters.iter_mut().enumerate() {
        waiter.asks("it", 0);
        until_in_line(server, key, place + 1).await;
    }
    (waiters, holder)
}

on_every_server! {
    async fn a_killed_head_of_the_line_costs_nothing(server: Server) {
        let ledger = Ledger::new();
        let (mut waiters, holder) = in_a_line(2, &server, &ledger, "headless").await;
        waiters[0].worker().kill();
        notices_the_dead(&server);
        holder.release().await.expect("the server is there");
        waiters[1].served().await;
        assert_eq!(waiters[1].stat("granted_by_message").await, 1, "by the release, not by a look after a second");
        ledger.check().assert_clean();
    }

    async fn all_but_the_last_in_line_may_be_killed(server: Server) {
        let ledger = Ledger::new();
        let (mut waiters, holder) = in_a_line(8, &server, &ledger, "survivor").await;
        for waiter in &mut waiters[..7] {
            waiter.worker().kill();
        }
        notices_the_dead(&server);
        assert_eq!(in_line(&server, "survivor"), 8, "the dead still stand in line");
        holder.release().await.expect("the server is there");
        waiters[7].served().await;
        waiters[7].left("it").await;
        assert_eq!(waiters[7].stat("granted_by_message").await, 1);
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_stopped_head_of_the_line_costs_a_first_lease_and_a_look(server: Server) {
        let ledger = Ledger::new();
        let (mut waiters, holder) = in_a_line(2, &server, &ledger, "half-open").await;
        waiters[0].worker().stop();
        let released = Instant::now();
        holder.release().await.expect("the server is there");
        let (_, second) = waiters[1].served().await;
        let passed = released.elapsed();
        assert!(passed <= FIRST_LEASE + LOOK + SLACK, "{passed:?}");
        assert!(passed >= FIRST_LEASE / 2, "it was handed to the one who is stopped: {passed:?}");
        waiters[1].left("it").await;
        waiters[0].worker().cont();
        let (_, first) = waiters[0].served().await;
        assert!(first > second, "its first grant was not used");
        ledger.check().assert_clean();
    }

    async fn a_grant_that_is_read_too_late_starts_no_body(server: Server) {
        let (key, ledger) = ("stale", Ledger::new());
        let (mut waiters, holder) = in_a_line(1, &server, &ledger, key).await;
        waiters[0].worker().stop();
        holder.release().await.expect("the server is there");
        // Its first lease passes.
        server.until_gone(&name(key), SOON).await;

        let client = connect(&server.url()).await;
        let stranger = client.lock(key).acquire().await.expect("the first lease is over");
        let inside = ledger.enter(key, stranger.fence());
        waiters[0].worker().cont();
        until_in_line(&server, key, 1).await;
        // When it stands in line again it has read the grant: anything that it did by it would be in the ledger.
        drop(inside);
        let fence = stranger.fence();
        stranger.release().await.expect("the server is there");
        let (_, later) = waiters[0].served().await;
        assert!(later > fence, "{later} {fence}");
        waiters[0].left("it").await;
        assert_eq!(ledger.check().grants, 2);
        ledger.check().assert_clean();
    }

    async fn a_killed_waiter_leaves_nothing_for_longer_than_half_a_minute(server: Server) {
        let ledger = Ledger::new();
        let (mut waiters, holder) = in_a_line(1, &server, &ledger, "forgotten").await;
        waiters[0].worker().kill();
        notices_the_dead(&server);
        let left = server.pttl(&queue("forgotten"));
        assert!((1..=30_000).contains(&left), "{left}");
        holder.release().await.expect("the server is there");
        assert_eq!(server.keys(), ["dlock:fence"], "a release finds the dead and clears the line");
    }

    async fn a_line_whose_holder_and_waiters_are_all_dead_clears_itself(server: Server) {
        let (key, ledger) = ("all dead", Ledger::new());
        let mut holder = Waiter::local(&server.url(), &ledger, key).await;
        holder.asks("holder", 60_000);
        holder.served().await;
        let mut waiter = Waiter::local(&server.url(), &ledger, key).await;
        waiter.asks("waiter", 0);
        until_in_line(&server, key, 1).await;
        holder.worker().kill();
        waiter.worker().kill();
        let left = (server.pttl(&queue(key)), server.pttl(&name(key)));
        assert!((1..=30_000).contains(&left.0) && (1..=30_000).contains(&left.1), "{left:?}");
    }
}
