//! The terms of each holder are its own, by whichever way the lock came to it.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LockGuard, LockRequest, LossReason, Released, current};
use lock_tests::{Ledger, Server, on_every_server, on_every_store, spawn_polled};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::{SOON, all_served, connect, connect_asking, enters, its_turn, name, until, until_in_line};

/// Comes back when so many wait in this client.
async fn until_waiting(client: &Client, count: u64) {
    until(&format!("{count} wait"), || client.stats().waiting == count).await;
}

/// A lock that came to a request without asking the store, from a holder of the same client on terms of its own; and
/// a moment just before.
async fn passed_on(
    client: &Client,
    holder: impl Fn() -> LockRequest,
    heir: impl Fn() -> LockRequest,
) -> (LockGuard, Instant) {
    // A lease passes on for 20 ms at most, which may be over on a busy machine.
    for _ in 0..50 {
        let before = client.stats().granted_locally;
        // The first one's lease has no fence for others; the second one's has, as somebody waits behind it.
        let first = holder().wait_forever().acquire().await.expect("its turn comes");
        let second = spawn_polled(holder().wait_forever().acquire()).await;
        let heir = spawn_polled(heir().wait_forever().acquire()).await;
        first.release().await.expect("the store is there");
        let second = its_turn(second).await;
        // So that some of the holder's time has passed, which is all that is to happen meanwhile.
        tokio::time::sleep(Duration::from_millis(8)).await;
        let passes_on = Instant::now();
        second.release().await.expect("the store is there");
        let guard = its_turn(heir).await;
        if client.stats().granted_locally > before {
            return (guard, passes_on);
        }
    }
    panic!("no lease passed on: {:?}", client.stats());
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
        // So that much of the holder's own time has passed, which is all that is to happen meanwhile.
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
        let request = || client.lock("passed on").ttl(max_hold).max_hold(max_hold);
        let (guard, passed_on) = passed_on(&client, request, request).await;
        assert_eq!(guard.lost().await, LossReason::MaxHold);
        // Told just before it is over.
        assert!(passed_on.elapsed() >= max_hold.saturating_sub(Duration::from_millis(3)), "{:?}", passed_on.elapsed());
    }

    async fn min_hold_is_kept_by_one_who_had_it_without_asking(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let min_hold = Duration::from_millis(300);
        let holder = || client.lock("kept on").ttl(SOON);
        let (guard, passed_on) = passed_on(&client, holder, || holder().min_hold(min_hold)).await;
        let next = spawn_polled(client.lock("kept on").wait_forever().acquire()).await;
        guard.release().await.expect("the store is there");
        drop(its_turn(next).await);
        assert!(passed_on.elapsed() >= min_hold, "{:?}", passed_on.elapsed());
        drop(stranger.lock("kept on").wait(SOON).acquire().await.expect("min_hold is over"));
    }

    async fn a_holder_without_renewal_has_its_whole_ttl_though_the_lease_is_another_ones(url: String) {
        let client = connect(&url).await;
        let (short, ttl) = (Duration::from_millis(300), Duration::from_millis(900));
        let holder = || client.lock("whole").ttl(short).renew(false);
        let (guard, _) = passed_on(&client, holder, || client.lock("whole").ttl(ttl).renew(false)).await;
        let (began, remaining) = (Instant::now(), guard.remaining());
        assert!(remaining > short && remaining <= ttl, "{remaining:?}");
        assert_eq!(guard.lost().await, LossReason::Expired);
        assert!(began.elapsed() > short, "{:?}", began.elapsed());
    }

    async fn a_holder_with_a_longer_ttl_than_the_lease_has_left_has_time_enough(url: String) {
        let client = connect(&url).await;
        let holder = || client.lock("longer").ttl(Duration::from_millis(300));
        let (guard, _) = passed_on(&client, holder, || client.lock("longer").ttl(Duration::from_secs(9))).await;
        assert!(guard.remaining() > Duration::from_secs(2), "{:?}", guard.remaining());
        assert_eq!(guard.release().await.expect("the store is there"), Released::Freed);
    }

    async fn a_holder_with_a_shorter_ttl_does_not_have_the_longer_one_of_the_lease(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_millis(300);
        let holder = || client.lock("shorter").ttl(Duration::from_secs(30));
        let (guard, _) = passed_on(&client, holder, || client.lock("shorter").ttl(ttl).renew(false)).await;
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
        for (client, ttl_ms) in [(&ours, 900), (&theirs, 3000), (&ours, 9000), (&theirs, 600), (&theirs, 1000)] {
            let request = client.lock("believed").ttl(Duration::from_millis(ttl_ms)).wait_forever();
            waiters.push(spawn_polled(request.acquire()).await);
        }
        held.release().await.expect("the server is there");
        let mut checked = as_they_are_granted(waiters);
        while let Some(guard) = checked.recv().await {
            for _ in 0..20 {
                // Read before the key's, since a renewal may come between; so time that passes is added again.
                let (read, believed) = (Instant::now(), guard.remaining());
                let left = Duration::from_millis(u64::try_from(server.pttl(&name("believed"))).unwrap_or(0));
                let has_left = left + Duration::from_millis(1) + read.elapsed();
                assert!(believed <= has_left, "{believed:?} of {has_left:?}");
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
                // It is held to just before its end, which only the clock tells.
                let before = Duration::from_millis(10 + u64::from(number % 5) * 5);
                tokio::time::sleep(guard.remaining().saturating_sub(before)).await;
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

/// The guards, in the order in which they are granted.
fn as_they_are_granted(waiters: Vec<JoinHandle<Result<LockGuard, LockError>>>) -> UnboundedReceiver<LockGuard> {
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
