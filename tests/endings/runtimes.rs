//! One client for a whole program: it outlives the runtimes that call it, and serves several at once.

use std::sync::Mutex;

use lock_runtime::{Client, ConnectError, LockError, distributed_lock};
use lock_tests::{Server, on_every_store};

use crate::{aside, connect, lease, runtime};

/// Uses the installed client.
#[distributed_lock(key = "job:<id>", ttl = "30s", wait = "20s")]
async fn job(id: u32) -> Result<u64, LockError> {
    tokio::task::yield_now().await;
    Ok(lease().fence())
}

/// The one test of this process that installs a client.
#[test]
fn an_installed_client_serves_runtimes_one_after_the_other_and_at_once() {
    let server = Server::redis();
    let before = runtime(1).block_on(async { (job(1).await, lock_runtime::init(&server.url()).await) });
    assert!(matches!(before.0, Err(LockError::NotConfigured { .. })), "{:?}", before.0);
    let client = before.1.expect("it is there");
    let again = runtime(1).block_on(lock_runtime::init("memory://"));
    assert!(matches!(again, Err(ConnectError::AlreadyInstalled(_))), "{again:?}");
    client.install().expect_err("it is installed");

    let fences: Vec<u64> =
        [1, 2, 1].into_iter().map(|threads| runtime(threads).block_on(job(1)).expect("free")).collect();
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");

    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for threads in [1, 2] {
            let all = &all;
            scope.spawn(move || {
                runtime(threads).block_on(async {
                    for _ in 0..50 {
                        let fence = job(1).await.expect("each has its turn");
                        all.lock().expect("no panic").push(fence);
                    }
                });
            });
        }
    });
    let mut all = all.into_inner().expect("no panic");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 100, "each grant has a fence of its own");
    assert!(all[0] > fences[2]);
    assert_eq!((client.stats().acquired, client.stats().unavailable), (103, 0));
    assert_eq!(server.keys(), ["dlock:fence"]);
}

on_every_store! {
    async fn a_client_outlives_the_runtime_that_it_was_made_on(url: String) {
        aside(move || {
            let first = runtime(2);
            let client = first.block_on(connect(&url));
            first.block_on(client.lock("job").run(async {})).expect("free");
            drop(first);
            for threads in [1, 2, 1] {
                runtime(threads).block_on(client.lock("job").run(async {})).expect("free");
            }
        })
        .await;
    }

    async fn a_guard_outlives_the_runtime_that_it_was_acquired_on(url: String) {
        aside(move || {
            let client = runtime(1).block_on(connect(&url));
            let ttl = std::time::Duration::from_millis(500);
            let guard = runtime(1).block_on(client.lock("job").ttl(ttl).acquire()).expect("free");
            // Renewed by nothing of the runtime's: this takes three ttls.
            let lost = runtime(1).block_on(async { tokio::time::timeout(ttl * 3, guard.lost()).await });
            assert!(lost.is_err(), "{lost:?}");
            assert!(guard.is_held());
            let released = runtime(2).block_on(guard.release()).expect("the store answers");
            assert_eq!(released, lock_runtime::Released::Freed);
        })
        .await;
    }

    async fn a_lock_is_handed_from_runtime_to_runtime(url: String) {
        aside(move || {
            let client = runtime(1).block_on(connect(&url));
            let inside = std::sync::atomic::AtomicU32::new(0);
            std::thread::scope(|scope| {
                for threads in [1, 1, 2] {
                    let (client, inside) = (client.clone(), &inside);
                    scope.spawn(move || runtime(threads).block_on(take_turns(&client, inside)));
                }
            });
            assert_eq!(client.stats().acquired, 60);
        })
        .await;
    }
}

async fn take_turns(client: &Client, inside: &std::sync::atomic::AtomicU32) {
    use std::sync::atomic::Ordering::SeqCst;
    for _ in 0..20 {
        let body = async {
            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two at once");
            tokio::task::yield_now().await;
            inside.fetch_sub(1, SeqCst);
        };
        let request = client.lock("job").wait(std::time::Duration::from_secs(20));
        request.run(body).await.expect("each has its turn");
    }
}
