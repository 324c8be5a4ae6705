//! A hundred thousand keys leave nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lock_tests::{Server, on_every_server};

const KEYS: u32 = 100_000;
const TASKS: usize = 64;

on_every_server! {
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
