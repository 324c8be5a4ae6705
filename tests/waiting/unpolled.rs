//! Tasks that are not polled: what is granted to them goes to the next, and the store is not blamed.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::future::Either;
use futures::{FutureExt as _, StreamExt as _};
use lock_runtime::{Acquire, Client, LockError};
use lock_tests::on_every_store;

use super::{SLACK, SOON, connect};

const KEY: &str = "unpolled";
const TTL: Duration = Duration::from_secs(30);
/// How long a task has to look at a grant, where the store answers at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Polls it until it waits for somebody else: for a few answers of the store.
async fn stands_in_line(client: &Client, acquire: &mut Acquire) {
    let waiting = client.stats().waiting;
    std::future::poll_fn(|cx| {
        assert!(acquire.poll_unpin(cx).is_pending());
        if client.stats().waiting > waiting { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    // What it has asked is answered; no event tells when.
    let answered = tokio::time::sleep(Duration::from_millis(100));
    let answered = pin!(answered);
    assert!(matches!(futures::future::select(answered, acquire).await, Either::Left(_)));
}

/// Which of the two holds first, and after how long; the other may still wait.
async fn first_of(one: Acquire, other: Acquire) -> Duration {
    let began = Instant::now();
    let (guard, _) = futures::future::select_ok([one, other]).await.expect("one of them holds");
    guard.release().await.expect("the store is there");
    began.elapsed()
}

fn waits(client: &Client, wait: Duration) -> Acquire {
    client.lock(KEY).ttl(TTL).wait(wait).acquire()
}

on_every_store! {
    async fn a_lock_future_that_was_polled_once_and_then_no_more_holds_up_others_for_a_second(url: String) {
        let (client, other) = (connect(&url).await, connect(&url).await);
        let guard = waits(&client, SOON).await.expect("free");
        let mut first = waits(&client, Duration::from_secs(60));
        stands_in_line(&client, &mut first).await;
        guard.release().await.expect("the store is there");
        let took = first_of(waits(&client, SOON), waits(&other, SOON)).await;
        assert!(took < PATIENCE + SLACK, "{took:?}");
        let guard = tokio::time::timeout(SOON, first).await.expect("its turn comes").expect("it waits still");
        assert!(guard.is_held());
        assert_eq!((client.stats().unavailable, client.stats().passed_over), (0, 1));
    }

    async fn whoever_was_passed_over_and_is_polled_after_its_time_is_told_that_the_key_is_busy(url: String) {
        let client = connect(&url).await;
        let guard = waits(&client, SOON).await.expect("free");
        let mut first = waits(&client, Duration::from_millis(500));
        stands_in_line(&client, &mut first).await;
        guard.release().await.expect("the store is there");
        let guard = waits(&client, SOON).await.expect("its turn comes");
        let outcome = tokio::time::timeout(SOON, first).await.expect("an answer");
        assert!(matches!(outcome, Err(LockError::Busy { .. })), "{outcome:?}");
        guard.release().await.expect("the store is there");
        assert_eq!(client.stats().unavailable, 0);
    }

    async fn a_call_whose_answer_nobody_takes_holds_up_others_for_a_second_and_asks_once_more(url: String) {
        let (client, other) = (connect(&url).await, connect(&url).await);
        // So that the next call is answered directly.
        waits(&client, SOON).await.expect("free").release().await.expect("the store is there");
        let mut unpolled = client.lock(KEY).ttl(TTL).acquire();
        // A store that answers at once has the grant taken with the first poll.
        if let Some(granted) = (&mut unpolled).now_or_never() {
            return drop(granted);
        }
        let took = first_of(waits(&client, SOON), waits(&other, SOON)).await;
        assert!(took < PATIENCE + SLACK, "{took:?}");
        assert!(tokio::time::timeout(SOON, unpolled).await.expect("an answer").expect("free again").is_held());
        assert_eq!((client.stats().unavailable, client.stats().busy), (0, 0));
    }

    async fn the_consumer_of_buffered_locks_gets_the_same_lock(url: String) {
        let client = connect(&url).await;
        let acquires = (0..4).map(|_| waits(&client, Duration::from_secs(60)));
        let mut guards = futures::stream::iter(acquires).buffer_unordered(4);
        let mut served = 0;
        while let Some(guard) = guards.next().await {
            guard.expect("it waits").release().await.expect("the store is there");
            // While this is awaited, nobody polls the buffer.
            let own = tokio::time::timeout(SOON, waits(&client, SOON)).await.expect("its turn comes");
            own.expect("its turn comes").release().await.expect("the store is there");
            served += 1;
        }
        assert_eq!((served, client.stats().unavailable), (4, 0));
    }

    async fn a_shared_lock_future_that_nobody_polls_any_more_holds_up_others_for_a_second(url: String) {
        let client = connect(&url).await;
        let guard = waits(&client, SOON).await.expect("free");
        let shared = waits(&client, Duration::from_secs(60)).map(|outcome| outcome.is_ok()).shared();
        assert!(tokio::time::timeout(Duration::from_millis(100), shared.clone()).await.is_err());
        guard.release().await.expect("the store is there");
        let began = Instant::now();
        waits(&client, SOON).await.expect("its turn comes").release().await.expect("the store is there");
        assert!(began.elapsed() < PATIENCE + SLACK, "{:?}", began.elapsed());
        assert!(tokio::time::timeout(SOON, shared).await.expect("its turn comes"));
    }
}

on_every_store! {
    async fn a_thread_that_was_blocked_for_longer_than_an_operation_may_take_does_not_blame_the_store(url: String) {
        // A thread of its own, because this one's runtime has to go on.
        let blocked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for wait in [Duration::ZERO, Duration::from_millis(1500), SOON] {
                    let client = Client::builder()
                        .operation_timeout(Duration::from_secs(1))
                        .connect(&url)
                        .await
                        .expect("the store is there");
                    // The runtime's session is opened beside the first calls, which do not wait for it; no event tells when.
                    for _ in 0..20 {
                        waits(&client, SOON).await.expect("free").release().await.expect("the store is there");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    let call = tokio::spawn(waits(&client, wait));
                    tokio::task::yield_now().await;
                    // The program's own fault is what this is about.
                    std::thread::sleep(Duration::from_millis(2500));
                    let guard = call.await.expect("no panic").expect("nobody else wants it");
                    assert!(guard.is_held());
                    guard.release().await.expect("the store is there");
                    assert_eq!(client.stats().unavailable, 0);
                }
            });
        });
        tokio::task::spawn_blocking(|| blocked.join()).await.expect("no panic").expect("no panic");
    }
}
