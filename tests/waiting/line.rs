//! The line inside of a process: who gives up, is dropped or panics in it disturbs nobody's order.

use std::time::Duration;

use lock_runtime::{Client, LockError, LockGuard, current};
use lock_tests::{on_every_store, spawn_polled};

use super::{Served, all_served, comes, connect, connect_asking, its_turn, until};

const KEY: &str = "line";

/// Somebody who holds the key until it is told. A guard that another client dropped may be on its way back still.
async fn held(client: &Client) -> LockGuard {
    client.lock(KEY).wait(Duration::from_secs(5)).acquire().await.expect("nobody else is here yet")
}

/// Runs a test with local hand-over and without it.
async fn either_way<F: Future<Output = ()>>(url: &str, test: impl Fn(Client) -> F) {
    test(connect(url).await).await;
    test(connect_asking(url).await).await;
}

on_every_store! {
    async fn order_survives_those_who_run_out_of_time(url: String) {
        either_way(&url, |client| async move {
            let (served, guard) = (Served::default(), held(&client).await);
            let (mut stay, mut leave) = (Vec::new(), Vec::new());
            for number in 0..30 {
                let (stays, wait) = (number % 3 != 1, Duration::from_millis(20 + number));
                let request = if stays { client.lock(KEY).wait_forever() } else { client.lock(KEY).wait(wait) };
                let line = if stays { &mut stay } else { &mut leave };
                line.push(comes(request, &number.to_string(), &served).await);
            }
            for waiter in leave {
                let outcome = waiter.await.expect("no panic");
                assert!(matches!(outcome, Err(LockError::Busy { .. })), "{outcome:?}");
            }
            guard.release().await.expect("the store is there");
            all_served(stay).await;
            let expected: Vec<String> = (0..30).filter(|n| n % 3 != 1).map(|n| n.to_string()).collect();
            assert_eq!(served.names(), expected);
            served.assert_fences_grow();
        })
        .await;
    }

    async fn order_survives_those_who_are_dropped(url: String) {
        either_way(&url, |client| async move {
            let (served, guard) = (Served::default(), held(&client).await);
            let (mut stay, mut leave) = (Vec::new(), Vec::new());
            for number in 0..30 {
                let line = if number % 4 == 0 { &mut leave } else { &mut stay };
                line.push(comes(client.lock(KEY).wait_forever(), &number.to_string(), &served).await);
            }
            leave.iter().for_each(tokio::task::JoinHandle::abort);
            for waiter in leave {
                assert!(waiter.await.expect_err("it was aborted").is_cancelled());
            }
            guard.release().await.expect("the store is there");
            all_served(stay).await;
            let expected: Vec<String> = (0..30).filter(|n| n % 4 != 0).map(|n| n.to_string()).collect();
            assert_eq!(served.names(), expected);
            served.assert_fences_grow();
        })
        .await;
    }

    async fn order_survives_those_who_panic_inside(url: String) {
        either_way(&url, |client| async move {
            let (served, guard) = (Served::default(), held(&client).await);
            let mut waiters = Vec::new();
            for number in 0..15 {
                let served = served.clone();
                let body = async move {
                    served.write(&number.to_string(), current().expect("inside a body").fence());
                    // Unwinds without a word on the test's output.
                    if number % 3 == 0 {
                        std::panic::resume_unwind(Box::new(number));
                    }
                };
                waiters.push(spawn_polled(client.lock(KEY).wait_forever().run(body)).await);
            }
            guard.release().await.expect("the store is there");
            for (number, waiter) in waiters.into_iter().enumerate() {
                assert_eq!(waiter.await.is_err(), number % 3 == 0, "{number}");
            }
            assert_eq!(served.names(), (0..15).map(|n| n.to_string()).collect::<Vec<_>>());
            served.assert_fences_grow();
        })
        .await;
    }

    async fn a_dropped_guard_hands_over_like_a_released_one(url: String) {
        either_way(&url, |client| async move {
            let guard = held(&client).await;
            let mut waiters = Vec::new();
            for _ in 0..10 {
                waiters.push(spawn_polled(client.lock(KEY).wait_forever().acquire()).await);
            }
            let mut last = guard.fence();
            drop(guard);
            for waiter in waiters {
                let guard = its_turn(waiter).await;
                assert!(guard.is_held() && guard.fence() > last);
                last = guard.fence();
                drop(guard);
            }
        })
        .await;
    }

    async fn a_lease_passes_on_without_asking_only_where_it_may(url: String) {
        let (local, asking) = (connect(&url).await, connect_asking(&url).await);
        for (client, key) in [(&local, "local"), (&asking, "asking")] {
            let served = Served::default();
            let guard = client.lock(key).acquire().await.expect("it is free");
            let mut waiters = Vec::new();
            for number in 0..20 {
                waiters.push(comes(client.lock(key).wait_forever(), &number.to_string(), &served).await);
            }
            guard.release().await.expect("the store is there");
            all_served(waiters).await;
            assert_eq!(client.stats().acquired, 21);
        }
        // How many exactly is up to the time that passes meanwhile: after 20 ms the store is asked.
        assert!(local.stats().granted_locally > 0, "{:?}", local.stats());
        assert_eq!(asking.stats().granted_locally, 0);
    }

    async fn one_who_waits_for_nothing_hears_at_once_and_disturbs_nobody(url: String) {
        let client = connect(&url).await;
        let guard = held(&client).await;
        let waits = spawn_polled(client.lock(KEY).wait_forever().acquire()).await;
        until("it waits", || client.stats().waiting == 1).await;
        for _ in 0..20 {
            let outcome = client.lock(KEY).acquire().await;
            assert!(matches!(outcome, Err(LockError::Busy { .. })), "{outcome:?}");
        }
        assert_eq!(client.stats().waiting, 1);
        guard.release().await.expect("the store is there");
        drop(its_turn(waits).await);
    }

    async fn two_clients_of_one_store_hand_over_to_each_other(url: String) {
        let clients = [connect(&url).await, connect(&url).await];
        let served = Served::default();
        let guard = held(&clients[0]).await;
        let mut waiters = Vec::new();
        for number in 0..40 {
            let request = clients[number % 2].lock(KEY).wait_forever();
            waiters.push(comes(request, &(number % 2).to_string(), &served).await);
        }
        guard.release().await.expect("the store is there");
        all_served(waiters).await;
        served.assert_fences_grow();
        let stats = clients.each_ref().map(Client::stats);
        assert_eq!(stats[0].acquired + stats[1].acquired, 41);
        assert!(stats[0].granted_by_message + stats[1].granted_by_message > 0, "{stats:?}");
    }
}
