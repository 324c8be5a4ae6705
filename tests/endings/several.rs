//! Several keys at once end as one: on every way out all of them are released, and the loss of one is the loss of all.

use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use lock_runtime::{Client, Ended, LeaseSet, LockError, LossReason, Released, current, current_set, distributed_lock};
use lock_tests::{Server, on_every_server, on_every_store};

use crate::{SOON, TTL, connect, connect_watched, stays};

const KEYS: [&str; 3] = ["c", "a", "b"];

fn leases() -> LeaseSet {
    current_set().expect("a body of several keys runs under several leases")
}

#[distributed_lock(keys = ["account:<from>", "account:<to>"], ttl = "30s", client = client)]
async fn transfer(client: &Client, from: u32, to: u32, outcome: Result<u32, LockError>) -> Result<u32, LockError> {
    tokio::task::yield_now().await;
    let value = outcome?;
    assert!(value != 13, "at work");
    Ok(value)
}

/// Polls an acquire of all keys so many times and drops it; says whether it came to its end before.
async fn dropped_after(client: &Client, polls: usize) -> bool {
    let mut acquire = pin!(client.lock_all(KEYS).wait(SOON).acquire());
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(acquire.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Comes back when the client waits for so many keys.
async fn until_waiting(client: &Client, calls: u64) {
    let waits = async {
        while client.stats().waiting < calls {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON * 5, waits).await.expect("it waits");
}

on_every_store! {
    async fn a_body_that_ends_by_itself_has_released_all(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let gone = || !onlooker.sees("account:1") && !onlooker.sees("account:2");
        assert_eq!(transfer(&client, 1, 2, Ok(7)).await.expect("free"), 7);
        assert!(gone(), "behind a value");
        let failed = transfer(&client, 2, 1, Err(LockError::already_held("other"))).await;
        assert!(matches!(failed, Err(LockError::AlreadyHeld { key, .. }) if key.as_str() == "other"));
        assert!(gone(), "behind a question mark");
        let panic = AssertUnwindSafe(transfer(&client, 1, 2, Ok(13))).catch_unwind().await.expect_err("it panics");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"at work"));
        assert!(gone(), "behind a panic");
        assert_eq!(transfer(&client, 3, 3, Ok(1)).await.expect("one key twice is one lock"), 1);
        assert_eq!((client.stats().held, client.stats().release_failed), (0, 0));
    }

    async fn a_body_runs_under_all_of_them(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let body = async {
            assert!(KEYS.iter().all(|key| onlooker.sees(key)));
            assert!(current().is_none());
            let set = leases();
            assert!(set.keys().map(|key| key.as_str().to_owned()).eq(["a", "b", "c"]));
            assert!(set.is_held() && set.remaining() > TTL / 2);
            set.check().expect("all are held");
            (set.fence_of("a"), set.fence_of("b"), set.fence_of("d"), set)
        };
        let (first, second, none, set) = client.lock_all(KEYS).ttl(TTL).run(body).await.expect("free");
        assert!(first.is_some() && second > first && none.is_none(), "taken in this order");
        assert!(!set.is_held() && set.check().is_err() && set.remaining().is_zero());
        assert_eq!(set.ended().await, Ended::Released);
    }

    async fn a_body_that_is_taken_away_releases_all(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        tokio::select! {
            _ = client.lock_all(KEYS).run(body) => panic!("it stays"),
            () = async { inside.await.expect("it says so"); assert!(KEYS.iter().all(|key| onlooker.sees(key))) } => {}
        }
        for key in KEYS {
            onlooker.until_gone(key).await;
        }
        let (inside, body) = stays();
        let task = tokio::spawn(client.lock_all(KEYS).run(body));
        inside.await.expect("it says so");
        task.abort();
        for key in KEYS {
            onlooker.until_gone(key).await;
        }
    }

    async fn a_guard_of_several_releases_all(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let set = client.lock_all(KEYS).acquire().await.expect("free");
        assert!(KEYS.iter().all(|key| onlooker.sees(key)));
        assert_eq!(set.release().await.expect("the store answers"), Released::Freed);
        assert!(!KEYS.iter().any(|key| onlooker.sees(key)));
        let set = client.lock_all(KEYS).await.expect("free");
        let ended = tokio::spawn(set.ended());
        drop(set);
        assert_eq!(ended.await.expect("no panic"), Ended::Released);
        for key in KEYS {
            onlooker.until_gone(key).await;
        }
    }

    async fn an_acquire_dropped_after_any_poll_leaves_no_key(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let mut polls = 0;
        while !dropped_after(&client, polls).await {
            let set = stranger.lock_all(KEYS).wait(SOON).acquire().await.expect("nobody holds any of them");
            set.release().await.expect("the store is there");
            polls += 1;
            assert!(polls < 10_000, "an acquire comes to its end");
        }
        let _free = stranger.lock_all(KEYS).wait(SOON).acquire().await.expect("the guard was dropped too");
        assert_eq!((client.stats().held, client.stats().waiting), (0, 0));
    }

    async fn what_was_taken_is_given_back_when_a_later_key_is_busy(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let theirs = stranger.lock("b").acquire().await.expect("free");
        let refused = client.lock_all(KEYS).acquire().await;
        let Err(LockError::Busy { key, waited, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((key.as_str(), waited), ("b", Duration::ZERO));
        stranger.lock("a").wait(SOON).await.expect("given back").release().await.expect("the store answers");
        stranger.lock("c").await.expect("never taken").release().await.expect("the store answers");
        theirs.release().await.expect("the store answers");
        drop(client.lock_all(KEYS).await.expect("free again"));
    }

    async fn the_wait_is_one_for_all(url: String) {
        const WAIT: Duration = Duration::from_secs(2);
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let (first, second) = (stranger.lock("a").await.expect("free"), stranger.lock("b").await.expect("free"));
        let start = Instant::now();
        let call = tokio::spawn(client.lock_all(["a", "b"]).wait(WAIT).acquire());
        // So that most of the wait is over when the first key comes.
        tokio::time::sleep(WAIT * 3 / 4).await;
        drop(first);
        let refused = call.await.expect("no panic");
        assert!(start.elapsed() < WAIT * 3 / 2, "{:?}", start.elapsed());
        let Err(LockError::Busy { key, waited, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(key.as_str(), "b");
        assert!(waited >= WAIT, "{waited:?} is the whole of it");
        assert!(second.is_held());
    }

    async fn calls_in_opposite_orders_never_wait_in_a_ring(url: String) {
        let mut hands = Vec::new();
        for n in 0..2 {
            let client = connect(&url).await;
            for hand in 0..4 {
                let client = client.clone();
                hands.push(tokio::spawn(async move {
                    for turn in 0..25 {
                        let (from, to) = if (n + hand + turn) % 2 == 0 { (1, 2) } else { (2, 1) };
                        let both = client.lock_all([format!("k:{from}"), format!("k:{to}")]).wait_forever();
                        both.run(tokio::task::yield_now()).await.expect("its turn");
                    }
                }));
            }
        }
        let all = futures::future::join_all(hands);
        all.map(|ends| ends.into_iter().for_each(|end| end.expect("no panic"))).await;
    }

    async fn a_call_inside_for_one_of_its_keys_is_told_at_once(url: String) {
        let client = connect(&url).await;
        let inner = client.clone();
        let body = async move {
            let one = inner.lock("b").wait_forever().run(async {}).await;
            let several = inner.lock_all(["a0", "c"]).wait_forever().run(async {}).await;
            for (refused, expected) in [(one, "b"), (several, "c")] {
                assert!(matches!(&refused, Err(LockError::AlreadyHeld { key, .. }) if key.as_str() == expected), "{refused:?}");
            }
            let below = async {
                assert!(current().is_some_and(|lease| lease.key().as_str() == "d") && current_set().is_none());
                let refused = inner.lock("a").wait_forever().run(async {}).await;
                assert!(matches!(refused, Err(LockError::AlreadyHeld { .. })), "{refused:?}");
            };
            inner.lock("d").run(below).await.expect("another key");
            assert!(current().is_none() && leases().keys().len() == 3, "outside of the inner one again");
        };
        client.lock_all(KEYS).run(body).await.expect("free");
        let within = async { client.lock_all(["a", "b"]).run(async { leases().keys().len() }).await };
        assert!(matches!(client.lock("b").run(within).await.expect("free"), Err(LockError::AlreadyHeld { .. })));
        drop(client.lock("a").await.expect("nothing was taken for that"));
    }

    async fn at_a_shutdown_the_body_is_dropped_and_all_are_released(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let task = tokio::spawn(client.lock_all(KEYS).run(body));
        inside.await.expect("it says so");
        let report = client.shutdown(Duration::ZERO).await;
        assert_eq!((report.lost, report.left), (3, vec![]));
        let lost = task.await.expect("no panic");
        assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::Shutdown, .. })), "{lost:?}");
        assert!(!KEYS.iter().any(|key| onlooker.sees(key)));
        let refused = client.lock_all(KEYS).wait_forever().await;
        assert!(matches!(refused, Err(LockError::ShuttingDown { .. })), "{refused:?}");
    }

    async fn the_least_deadline_ends_the_body(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let ttl = Duration::from_millis(400);
        let request = client.lock_all(KEYS).ttl(ttl).renew(false);
        let lost = tokio::time::timeout(SOON * 5, request.clone().run(pending::<()>())).await.expect("it is over");
        assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{lost:?}");
        let runs_on = request.continue_when_lost().run(async {
            let set = leases();
            let how = set.lost().await;
            assert!(!set.is_held() && set.check().is_err());
            how
        });
        assert_eq!(runs_on.await.expect("it may run on"), LossReason::Expired);
        for key in KEYS {
            onlooker.until_gone(key).await;
        }
    }
}

/// Set when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

on_every_server! {
    async fn the_loss_of_one_is_the_loss_of_all(server: Server) {
        let client = connect(&server.url()).await;
        let gone = Arc::new(AtomicBool::new(false));
        let body = {
            let (server, dropped) = (&server, Dropped(Arc::clone(&gone)));
            async move {
                let _dropped = dropped;
                server.del("dlock:{b}");
                pending::<()>().await;
            }
        };
        let outcome = tokio::time::timeout(SOON * 5, client.lock_all(KEYS).ttl(SOON).run(body)).await.expect("it is lost");
        let Err(LockError::Lost { key, reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((key.as_str(), reason), ("b", LossReason::Stolen));
        assert!(gone.load(Ordering::SeqCst), "the body is dropped before its caller hears of it");
        for key in ["dlock:{a}", "dlock:{c}"] {
            server.until_gone(key, SOON).await;
        }
    }

    async fn a_guard_that_has_lost_one_is_told(server: Server) {
        let client = connect(&server.url()).await;
        let set = client.lock_all(KEYS).ttl(SOON).await.expect("free");
        server.del("dlock:{c}");
        assert_eq!(tokio::time::timeout(SOON * 5, set.lost()).await.expect("it is lost"), LossReason::Stolen);
        assert!(!set.is_held());
        assert!(matches!(set.check(), Err(LockError::Lost { key, .. }) if key.as_str() == "c"));
        assert_eq!(set.ended().await, Ended::Lost(LossReason::Stolen));
        assert_eq!(set.release().await.expect("the server is there"), Released::NotOurs);
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_lock_that_is_lost_while_a_later_one_is_waited_for_ends_the_call(server: Server) {
        let (client, stranger) = (connect(&server.url()).await, connect(&server.url()).await);
        let theirs = stranger.lock("b").await.expect("free");
        let call = tokio::spawn(client.lock_all(KEYS).ttl(SOON).wait_forever().run(async { panic!("not without `a`") }));
        until_waiting(&client, 1).await;
        server.until_there("dlock:{a}", SOON).await;
        server.del("dlock:{a}");
        let outcome = tokio::time::timeout(SOON * 5, call).await.expect("it is lost").expect("no panic");
        assert!(matches!(&outcome, Err(LockError::Lost { key, .. }) if key.as_str() == "a"), "{outcome:?}");
        assert!(theirs.is_held());
        drop(theirs);
        server.until_gone("dlock:{b}", SOON).await;
    }

    async fn what_is_held_while_a_later_one_is_waited_for_is_renewed(server: Server) {
        let (client, stranger) = (connect(&server.url()).await, connect(&server.url()).await);
        let theirs = stranger.lock("b").await.expect("free");
        let ttl = Duration::from_millis(500);
        let call = tokio::spawn(client.lock_all(["a", "b"]).ttl(ttl).wait_forever().acquire());
        server.until_there("dlock:{a}", SOON).await;
        // Time has to pass for a lease to be renewed.
        tokio::time::sleep(ttl * 3).await;
        assert!(server.pttl("dlock:{a}") > 0, "it is still held");
        drop(theirs);
        assert!(call.await.expect("no panic").expect("its turn").is_held());
    }
}
