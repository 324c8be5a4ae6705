//! A hundred thousand keys leave nothing behind, one after the other or all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lock_tests::{Server, on_every_server};

const KEYS: u32 = 100_000;
const TASKS: usize = 64;

/// How many are held at once.
const HELD: usize = 10_000;
/// What the releases of so many may take: a second, and one for each ten thousand.
const RELEASES: Duration = Duration::from_secs(2);

/// Comes back when the server has so few keys; long before the ttl of these locks, even on a busy machine.
async fn until_nearly_empty(server: &Server, keys: usize) {
    let deadline = Instant::now() + Duration::from_secs(40);
    // To count all of them is cheaper than to tell which are locks; a client's card is none.
    while server.ask::<usize>(&["DBSIZE"]) > keys + 1 || server.keys().len() > keys {
        assert!(Instant::now() < deadline, "{:?} are left", server.ask::<usize>(&["DBSIZE"]));
        // Nothing announces that a key is gone.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

on_every_server! {
    async fn very_many_locks_are_gone_soon_after_a_shutdown(server: Server) {
        let client = crate::connect(&server.url()).await;
        let inside = Arc::new(AtomicUsize::new(0));
        for n in 0..HELD {
            let (client, inside) = (client.clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                let body = async {
                    inside.fetch_add(1, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                };
                client.lock(format!("job:{n}")).ttl(Duration::from_secs(300)).run(body).await
            });
        }
        while inside.load(Ordering::Relaxed) < HELD {
            // Each of them counts, and none of them says so.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let start = Instant::now();
        let report = client.shutdown(Duration::ZERO).await;
        let took = start.elapsed();
        assert_eq!(report.lost, HELD);
        // What a busy machine leaves within the bound is released behind it.
        assert!(report.left.is_empty() || took >= RELEASES, "{} are left after {took:?}", report.left.len());
        until_nearly_empty(&server, 1).await;
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn very_many_locks_that_are_dropped_at_once_do_not_hold_up_the_renewals_of_another(server: Server) {
        let client = crate::connect(&server.url()).await;
        let kept = client.lock("kept").ttl(Duration::from_secs(6)).acquire().await.expect("free");
        let taken = (0..TASKS).map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut guards = Vec::new();
                for n in (task..HELD).step_by(TASKS) {
                    guards.push(client.lock(format!("job:{n}")).ttl(Duration::from_secs(300)).acquire().await.expect("free"));
                }
                guards
            })
        });
        let mut guards = Vec::new();
        for task in taken.collect::<Vec<_>>() {
            guards.extend(task.await.expect("no panic"));
        }
        drop(guards);
        until_nearly_empty(&server, 2).await;
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{kept}"]);
        assert!(kept.is_held());
        assert_eq!(client.stats().lost, 0);
    }

    async fn keys_that_were_locked_once_leave_only_the_counter_behind(server: Server) {
        let client = crate::connect(&server.url()).await;
        let next = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (client, next) = (client.clone(), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut done = 0;
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= KEYS {
                            return done;
                        }
                        client.lock(format!("job:{n}")).run(async {}).await.expect("nobody else wants it");
                        done += 1;
                    }
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("no panic");
        }
        assert_eq!(done, KEYS);
        assert_eq!(server.keys(), ["dlock:fence"]);
        let stats = client.stats();
        assert_eq!((stats.acquired, stats.held, stats.waiting, stats.release_failed), (u64::from(KEYS), 0, 0, 0));
    }
}
