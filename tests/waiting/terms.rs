//! The terms of each holder are its own, by whichever way the lock came to it.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason, Released, current};
use lock_tests::{Ledger, Server, on_every_server, on_every_store, spawn_polled};
use tokio::task::JoinHandle;

use super::{SOON, all_served, connect, connect_asking, enters, its_turn, name, until, until_in_line};

/// Holds the key in this client, and has somebody of this client wait behind it.
async fn until_waiting(client: &Client, count: u64) {
    until(&format!("{count} wait"), || client.stats().waiting == count).await;
}

on_every_store! {
    async fn nobody_comes_in_before_min_hold_is_over(url: String) {
        let min_hold = Duration::from_millis(300);
        let (ours, theirs) = (connect(&url).await, connect(&url).await);
        let mut holders = Vec::new();
        let asked = Instant::now();
        for client in [&ours, &ours, &theirs, &theirs] {
            let request = client.lock("kept").min_hold(min_hold).ttl(Duration::from_secs(5)).wait_forever();
            holders.push(spawn_polled(request.run(async { Instant::now() })).await);
        }
        let mut began = all_served(holders).await;
        began.sort();
        for (before, began) in (0..).zip(began) {
            let passed = began - asked;
            assert!(passed >= min_hold * before, "{before} held it before, and only {passed:?} had passed");
        }
    }

    async fn max_hold_counts_from_each_holders_own_grant(url: String) {
        let client = connect(&url).await;
        let max_hold = Duration::from_millis(600);
        let request = || client.lock("long").ttl(Duration::from_millis(500)).max_hold(max_hold).wait_forever();
        let held = request().acquire().await.expect("it is free");
        let heir = tokio::spawn(request().run(async {
            let began = Instant::now();
            let reason = current().expect("inside a body").lost().await;
            (began.elapsed(), reason)
        }));
        until_waiting(&client, 1).await;
        // The holder's own time is well on its way.
        tokio::time::sleep(max_hold / 2).await;
        let granted = Instant::now();
        held.release().await.expect("the store is there");
        let outcome = tokio::time::timeout(SOON, heir).await.expect("its time ends").expect("no panic");
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::MaxHold, .. })), "{outcome:?}");
        let lasted = granted.elapsed();
        assert!(lasted >= max_hold * 9 / 10, "{lasted:?}");
    }

    async fn max_hold_counts_from_the_grant_of_one_who_had_it_without_asking(url: String) {
        let client = connect(&url).await;
        let max_hold = Duration::from_millis(300);
        let request = || client.lock("passed on").ttl(max_hold).max_hold(max_hold).wait_forever();
        let held = request().acquire().await.expect("it is free");
        let mut heirs = Vec::new();
        for _ in 0..3 {
            heirs.push(spawn_polled(request().acquire()).await);
        }
        held.release().await.expect("the store is there");
        for heir in heirs {
            let guard = its_turn(heir).await;
            let began = Instant::now();
            assert_eq!(guard.lost().await, LossReason::MaxHold);
            assert!(began.elapsed() >= max_hold / 2, "{:?}", began.elapsed());
        }
    }

    async fn a_holder_without_renewal_has_its_whole_ttl_though_the_lease_is_another_ones(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_millis(600);
        let short = Duration::from_millis(200);
        let held = client.lock("whole").ttl(short).renew(false).acquire().await.expect("it is free");
        let heir = spawn_polled(client.lock("whole").ttl(ttl).renew(false).wait_forever().acquire()).await;
        held.release().await.expect("the store is there");
        let guard = its_turn(heir).await;
        let (began, remaining) = (Instant::now(), guard.remaining());
        assert!(remaining > short && remaining <= ttl, "{remaining:?}");
        assert_eq!(guard.lost().await, LossReason::Expired);
        assert!(began.elapsed() >= short, "{:?}", began.elapsed());
    }

    async fn a_holder_with_a_longer_ttl_than_the_lease_has_left_has_time_enough(url: String) {
        let client = connect(&url).await;
        let held = client.lock("longer").ttl(Duration::from_millis(300)).acquire().await.expect("it is free");
        let heir = spawn_polled(client.lock("longer").ttl(Duration::from_secs(9)).wait_forever().acquire()).await;
        held.release().await.expect("the store is there");
        let guard = its_turn(heir).await;
        assert!(guard.remaining() > Duration::from_secs(2), "{:?}", guard.remaining());
        assert_eq!(guard.release().await.expect("the store is there"), Released::Freed);
    }

    async fn a_holder_with_a_shorter_ttl_is_not_held_for_longer(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_millis(300);
        let held = client.lock("shorter").ttl(Duration::from_secs(30)).acquire().await.expect("it is free");
        let heir = spawn_polled(client.lock("shorter").ttl(ttl).renew(false).wait_forever().acquire()).await;
        held.release().await.expect("the store is there");
        let guard = its_turn(heir).await;
        assert!(guard.remaining() <= ttl, "{:?}", guard.remaining());
        let lost = tokio::time::timeout(SOON, guard.lost()).await.expect("nobody renews it");
        assert_eq!(lost, LossReason::Expired);
    }
}

on_every_server! {
    async fn what_a_holder_believes_to_have_left_the_key_has_left(server: Server) {
        let (ours, theirs) = (connect(&server.url()).await, connect(&server.url()).await);
        let mut waiters = Vec::new();
        let held = ours.lock("believed").acquire().await.expect("it is free");
        for (client, ttl_ms) in [(&ours, 400), (&theirs, 3000), (&ours, 9000), (&theirs, 200), (&theirs, 1000)] {
            let request = client.lock("believed").ttl(Duration::from_millis(ttl_ms)).wait_forever();
            waiters.push(spawn_polled(request.acquire()).await);
        }
        held.release().await.expect("the server is there");
        let mut checked = futures_of(waiters);
        while let Some(guard) = checked.recv().await {
            for _ in 0..20 {
                // In this order, so that time passing is on nobody's side.
                let left = u64::try_from(server.pttl(&name("believed"))).expect("the key is there and has a ttl");
                assert!(guard.remaining() <= Duration::from_millis(left), "{:?} of {left} ms", guard.remaining());
            }
            guard.release().await.expect("the server is there");
        }
    }

    async fn a_release_just_before_the_deadline_lets_nobody_in_too_early(server: Server) {
        let ledger = Ledger::new();
        let clients = [connect_asking(&server.url()).await, connect(&server.url()).await, connect(&server.url()).await];
        let ttl = Duration::from_millis(200);
        let mut all = Vec::new();
        for number in 0..40_u32 {
            let (client, ledger) = (clients[number as usize % 3].clone(), Ledger::at(ledger.path()));
            let key = format!("edge:{}", number % 8);
            all.push(tokio::spawn(async move {
                let guard = client.lock(key.as_str()).ttl(ttl).renew(false).wait_forever().acquire().await?;
                let inside = ledger.enter(&key, guard.fence());
                // To just before its end, or just past it.
                tokio::time::sleep(guard.remaining().saturating_sub(Duration::from_millis(u64::from(number % 5) * 5))).await;
                // Those who are late on a busy machine leave without a word: from here on nobody says that it is theirs.
                drop(inside);
                guard.release().await
            }));
        }
        let released = all_served(all).await;
        assert_eq!(released.len(), 40);
        ledger.check().assert_clean();
    }

    async fn a_short_lease_of_a_waiter_of_another_process_is_its_own(server: Server) {
        let (holder, waiter) = (connect(&server.url()).await, connect(&server.url()).await);
        let ledger = Ledger::new();
        let held = holder.lock("own").acquire().await.expect("it is free");
        let request = waiter.lock("own").ttl(Duration::from_secs(20)).renew(false).wait_forever();
        let waits = tokio::spawn(request.acquire());
        until_in_line(&server, "own", 1).await;
        let next = tokio::spawn(holder.lock("own").wait_forever().run(enters(&ledger, "own", Duration::ZERO)));
        held.release().await.expect("the server is there");
        let guard = its_turn(waits).await;
        // No first lease of a second: nobody would renew it.
        assert!(guard.remaining() > Duration::from_secs(10), "{:?}", guard.remaining());
        guard.release().await.expect("the server is there");
        all_served(vec![next]).await;
    }
}

/// The guards, as they are granted.
fn futures_of(
    waiters: Vec<JoinHandle<Result<lock_runtime::LockGuard, LockError>>>,
) -> tokio::sync::mpsc::UnboundedReceiver<lock_runtime::LockGuard> {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    for waiter in waiters {
        let tell = tell.clone();
        tokio::spawn(async move {
            let guard = its_turn(waiter).await;
            tell.send(guard).expect("the test listens to the end");
        });
    }
    told
}
