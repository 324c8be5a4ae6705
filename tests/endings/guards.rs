//! What a guard can do by hand, and what bounds how long a lock is held from above and from below.

use std::time::{Duration, Instant};

use lock_runtime::{Client, Ended, LockError, LossReason, OptionFault, Released};
use lock_tests::{Server, on_every_server, on_every_store};

use crate::{SOON, TTL, connect, connect_watched, is_busy, stays};

on_every_store! {
    async fn who_watches_a_lock_is_done_when_it_is_released(url: String) {
        let client = connect(&url).await;
        let mut watchers = Vec::new();
        for n in 0..2000_u32 {
            let body = async { (tokio::spawn(crate::lease().ended()),) };
            watchers.push(client.lock(format!("job:{}", n % 7)).run(body).await.expect("free").0);
        }
        let guard = client.lock("guard").acquire().await.expect("free");
        watchers.extend([tokio::spawn(guard.ended()), tokio::spawn(guard.lease().ended())]);
        guard.release().await.expect("the store answers");
        for watcher in watchers {
            assert_eq!(tokio::time::timeout(SOON, watcher).await.expect("it ends").expect("no panic"), Ended::Released);
        }
    }

    async fn who_watches_a_lock_hears_how_it_ended_also_afterwards(url: String) {
        let client = connect(&url).await;
        let short = client.lock("short").ttl(Duration::from_millis(300)).renew(false).acquire().await.expect("free");
        let expired = short.lease();
        assert_eq!(expired.ended().await, Ended::Lost(LossReason::Expired));
        drop(short);
        assert_eq!(expired.ended().await, Ended::Lost(LossReason::Expired), "its release does not change it");

        let dropped = client.lock("dropped").acquire().await.expect("free");
        let lease = dropped.lease();
        let mut watching = Box::pin(lease.ended());
        assert!(futures::poll!(&mut watching).is_pending());
        drop(dropped);
        assert_eq!((watching.await, lease.ended().await), (Ended::Released, Ended::Released));

        let (inside, told) = tokio::sync::oneshot::channel();
        let aborted = tokio::spawn(client.lock("aborted").run(async move {
            inside.send(crate::lease()).expect("the test waits for it");
            std::future::pending::<()>().await;
        }));
        let lease = told.await.expect("it says so");
        aborted.abort();
        assert_eq!(tokio::time::timeout(SOON, lease.ended()).await.expect("it ends"), Ended::Released);

        let left = client.lock("left").acquire().await.expect("free");
        client.shutdown(Duration::ZERO).await;
        assert_eq!(left.ended().await, Ended::Lost(LossReason::Shutdown));
    }

    async fn a_longer_renewal_lasts_longer(url: String) {
        let client = connect(&url).await;
        let guard = client.lock("job").ttl(TTL).renew(false).acquire().await.expect("free");
        guard.renew(TTL * 4).await.expect("the store answers");
        assert!(guard.remaining() > TTL * 3 && guard.is_held());
    }

    async fn a_shorter_renewal_takes_nothing_away(url: String) {
        let client = connect(&url).await;
        let guard = client.lock("job").ttl(TTL).acquire().await.expect("free");
        guard.renew(Duration::from_millis(300)).await.expect("the store answers");
        assert!(guard.remaining() > TTL / 2);
        assert!(guard.is_held());
    }

    async fn a_renewal_of_an_odd_length_is_refused(url: String) {
        let client = connect(&url).await;
        let guard = client.lock("job").acquire().await.expect("free");
        let short = guard.renew(Duration::from_millis(49)).await;
        assert!(matches!(short, Err(LockError::InvalidOptions { fault: OptionFault::TtlTooShort(_), .. })), "{short:?}");
        let long = guard.renew(Duration::from_secs(31 * 24 * 3600)).await;
        assert!(matches!(long, Err(LockError::InvalidOptions { fault: OptionFault::TtlTooLong(_), .. })), "{long:?}");
        assert!(guard.is_held());
        guard.renew(Duration::from_millis(50)).await.expect("the shortest");
        guard.renew(Duration::from_secs(30 * 24 * 3600)).await.expect("the longest");
    }

    async fn a_lost_guard_is_not_renewed_and_its_release_finds_nothing(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let guard = client.lock("job").ttl(Duration::from_millis(300)).renew(false).acquire().await.expect("free");
        assert_eq!(guard.lost().await, LossReason::Expired);
        assert!(!guard.is_held() && guard.remaining() == Duration::ZERO);
        let renewed = guard.renew(TTL).await;
        assert!(matches!(renewed, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{renewed:?}");
        // By the store's clock it is over a little later.
        onlooker.until_gone("job").await;
        let stranger = connect(&url).await;
        let theirs = stranger.lock("job").acquire().await.expect("expired");
        assert_eq!(guard.release().await.expect("the store answers"), Released::NotOurs);
        assert!(theirs.is_held() && is_busy(&client, "job").await, "nobody else's lock is released");
    }

    async fn max_hold_ends_a_lock_that_is_renewed(url: String) {
        let client = connect(&url).await;
        let (ttl, max_hold) = (Duration::from_millis(500), Duration::from_millis(1500));
        // A timer takes its 2 ms from it.
        let at_least = Duration::from_millis(1497);
        let (inside, body) = stays();
        let before = Instant::now();
        let outcome = client.lock("job").ttl(ttl).max_hold(max_hold).run(body).await;
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::MaxHold, .. })), "{outcome:?}");
        assert!(before.elapsed() >= at_least, "{:?}", before.elapsed());
        assert!(before.elapsed() < max_hold + SOON, "{:?}", before.elapsed());
        inside.await.expect("it was inside");
        let guard = client.lock("guard").ttl(ttl).max_hold(max_hold).acquire().await.expect("free");
        assert_eq!(guard.lost().await, LossReason::MaxHold);
    }

    async fn min_hold_keeps_the_key_on_every_way_out_and_no_longer(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let min_hold = Duration::from_secs(1);
        for way in ["return", "release", "drop", "cancel"] {
            let granted = Instant::now();
            let request = client.lock(way).min_hold(min_hold);
            match way {
                "return" => request.run(async {}).await.expect("free"),
                "release" => drop(request.acquire().await.expect("free").release().await.expect("the store answers")),
                "drop" => drop(request.acquire().await.expect("free")),
                _ => {
                    let (inside, body) = stays();
                    tokio::select! {
                        _ = request.run(body) => panic!("it stays"),
                        _ = inside => {}
                    }
                }
            }
            let by_stranger = is_busy(&stranger, way).await;
            let by_holder = is_busy(&client, way).await;
            // Asked too late, the answers say nothing; with a second to go that takes a very busy machine.
            assert!((by_stranger && by_holder) || granted.elapsed() >= min_hold, "{way}");
            let guard = stranger.lock(way).wait(min_hold + SOON).acquire().await.expect("after a second");
            assert!(granted.elapsed() >= min_hold, "{way}: {:?}", granted.elapsed());
            assert!(granted.elapsed() < min_hold + SOON, "{way}: {:?}", granted.elapsed());
            drop(guard);
        }
    }
}

on_every_server! {
    async fn a_renewal_that_a_dead_server_cannot_confirm_is_an_error_and_no_loss(server: Server) {
        let mut server = server;
        let builder = Client::builder().operation_timeout(Duration::from_millis(500));
        let client = builder.connect(&server.url()).await.expect("the server is there");
        let guard = client.lock("job").acquire().await.expect("free");
        server.kill();
        let asked = Instant::now();
        let renewed = guard.renew(TTL).await;
        assert!(matches!(renewed, Err(LockError::Unavailable { .. })), "{renewed:?}");
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        assert!(guard.is_held(), "an error is not a loss");
        let asked = Instant::now();
        let released = guard.release().await;
        assert!(matches!(released, Err(LockError::Unavailable { .. })), "{released:?}");
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    }

    async fn a_guard_whose_key_was_taken_away_hears_of_it_at_its_next_renewal(server: Server) {
        let client = connect(&server.url()).await;
        let guard = client.lock("job").acquire().await.expect("free");
        server.command(&["SET", "dlock:{job}", "somebody", "PX", "30000"]);
        let renewed = guard.renew(TTL).await;
        assert!(matches!(renewed, Err(LockError::Lost { reason: LossReason::Stolen, .. })), "{renewed:?}");
        assert_eq!(guard.lost().await, LossReason::Stolen);
        assert_eq!(guard.release().await.expect("the store answers"), Released::NotOurs);
        assert_eq!(server.get("dlock:{job}").as_deref(), Some("somebody"));
    }

    async fn a_shorter_renewal_changes_the_schedule_and_not_the_key(server: Server) {
        let client = connect(&server.url()).await;
        let guard = client.lock("job").acquire().await.expect("free");
        guard.renew(Duration::from_millis(300)).await.expect("the server answers");
        assert!(server.pttl("dlock:{job}") > 20_000);
        // From now on it is renewed every 100 ms, so that a theft is found out long before a third of half a minute.
        server.command(&["SET", "dlock:{job}", "somebody", "PX", "30000"]);
        let lost = tokio::time::timeout(SOON, guard.lost()).await.expect("soon");
        assert_eq!(lost, LossReason::Stolen);
    }
}
