//! 8 processes with 50 tasks each hammer 4 keys for 10 seconds.

use std::time::{Duration, Instant};

use lock_runtime::{LockError, current, distributed_lock};
use lock_tests::{Ledger, Server, Worker, on_every_server};

const PROCESSES: usize = 8;
const TASKS: u64 = 50;
const KEYS: u64 = 4;
const SECONDS: u64 = 10;

on_every_server! {
    async fn never_more_than_one_process_is_inside(server: Server) {
        let ledger = Ledger::new();
        let path = ledger.path().display().to_string();
        let (seconds, tasks, keys) = (SECONDS.to_string(), TASKS.to_string(), KEYS.to_string());
        let arguments = ["hammer", &server.url(), &path, &seconds, &tasks, &keys];
        let mut workers: Vec<_> =
            (0..PROCESSES).map(|_| Worker::start(env!("CARGO_BIN_EXE_locking-worker"), &arguments)).collect();
        let mut strikes = 0;
        for worker in &mut workers {
            let line = worker.line_starting_with("strikes ").await;
            strikes += line["strikes ".len()..].parse::<usize>().expect("a number");
            assert!(worker.ended().await.success());
        }
        let findings = ledger.check();
        assert_eq!(findings.grants, strikes, "every strike is in the ledger");
        assert!(strikes > PROCESSES * 20, "{strikes} strikes show too little");
        ledger.check().assert_clean();
        assert_eq!(server.keys(), ["dlock:fence"], "nothing stays behind");
    }
}

#[distributed_lock(key = "hammer:<key>", ttl = "2s", wait = "20s")]
async fn strike(key: u64, ledger: &Ledger) -> Result<(), LockError> {
    let _inside = ledger.enter(&key.to_string(), current().expect("inside a body").fence());
    tokio::task::yield_now().await;
    Ok(())
}

/// The same within a process, where clients stand for processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_one_client_is_inside() {
    let ledger = Ledger::new();
    let path = ledger.path().to_owned();
    let end = Instant::now() + Duration::from_secs(SECONDS / 3);
    let mut hands = Vec::new();
    for _ in 0..PROCESSES {
        let client = super::connect("memory://hammered").await;
        for task in 0..TASKS {
            let (client, ledger) = (client.clone(), Ledger::at(&path));
            hands.push(tokio::spawn(async move {
                let mut strikes = 0;
                while Instant::now() < end {
                    client.scope(strike((task + strikes) % KEYS, &ledger)).await.expect("a turn comes within 20 s");
                    strikes += 1;
                }
                strikes
            }));
        }
    }
    let mut strikes = 0;
    for hand in hands {
        strikes += hand.await.expect("no striker panics");
    }
    assert_eq!(ledger.check().grants as u64, strikes);
    ledger.check().assert_clean();
}
