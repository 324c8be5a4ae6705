//! Under a paused clock of tokio's, which jumps to the next timer when its runtime has nothing to do: a call that waits
//! for somebody else is not overtaken by every time-out.
//!
//! Leases, waits and `max_hold` go by real time all the same.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, distributed_lock};
use lock_tests::on_every_store;
use tokio::time::{advance, pause, sleep, timeout};

use crate::{TTL, aside};

#[distributed_lock(key = "job", ttl = "30s", wait = "1h")]
async fn job() -> Result<u64, LockError> {
    tokio::task::yield_now().await;
    Ok(7)
}

/// Runs on a runtime of one thread, of which alone the clock can be paused.
async fn paused<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    aside(|| {
        crate::runtime(1).block_on(async {
            pause();
            test().await;
        });
    })
    .await;
}

on_every_store! {
    async fn a_call_that_nobody_disturbs_is_not_timed_out(url: String) {
        paused(|| async move {
            let client = timeout(Duration::from_secs(5), Client::connect(&url)).await.expect("in time").expect("there");
            for _ in 0..5 {
                let guard = timeout(Duration::from_secs(5), client.lock("job").acquire()).await.expect("in time");
                let guard = guard.expect("free");
                timeout(Duration::from_secs(5), guard.renew(TTL)).await.expect("in time").expect("held");
                timeout(Duration::from_secs(5), guard.release()).await.expect("in time").expect("held");
                let ran = timeout(Duration::from_secs(5), client.scope(job())).await;
                assert_eq!(ran.expect("in time").expect("free"), 7);
            }
        })
        .await;
    }

    async fn a_waiter_is_not_overtaken_by_its_time_out_while_another_thread_lets_go(url: String) {
        paused(|| async move {
            let client = Client::connect(&url).await.expect("there");
            let held = client.lock("job").ttl(TTL).acquire().await.expect("free");
            let other = std::thread::spawn(move || {
                // Real time: the other thread's work.
                std::thread::sleep(Duration::from_millis(20));
                drop(held);
            });
            let ran = timeout(Duration::from_secs(60), client.scope(job())).await;
            assert_eq!(ran.expect("before its time-out").expect("let go"), 7);
            other.join().expect("no panic");
        })
        .await;
    }

    async fn a_holder_that_sleeps_by_the_paused_clock_is_waited_for_in_no_time(url: String) {
        paused(|| async move {
            let (holder, waiter) = (Client::connect(&url).await.expect("there"), Client::connect(&url).await.expect("there"));
            let started = Instant::now();
            let hold = holder.lock("job").ttl(TTL).run(sleep(Duration::from_secs(3600)));
            let wait = async {
                sleep(Duration::from_millis(1)).await;
                waiter.scope(job()).await
            };
            let (held, ran) = tokio::join!(hold, wait);
            assert_eq!((held.expect("free"), ran.expect("its turn")), ((), 7));
            assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        })
        .await;
    }

    async fn an_hour_of_the_paused_clock_costs_no_lease(url: String) {
        paused(|| async move {
            let client = Client::connect(&url).await.expect("there");
            let guard = client.lock("job").ttl(TTL).acquire().await.expect("free");
            advance(Duration::from_secs(3600)).await;
            assert!(guard.is_held());
        })
        .await;
    }
}
