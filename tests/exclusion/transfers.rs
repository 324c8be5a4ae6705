//! 8 processes transfer between 20 accounts, each transfer under the keys of both.
//!
//! A balance is read, worked out and written back in steps, so that two who are inside at once lose one of their
//! transfers. The accounts stand on the server, in keys of the test's own.

use lock_tests::{Ledger, Server, Worker, on_every_server};

const PROCESSES: u64 = 8;
const ACCOUNTS: usize = 20;
/// Of each process; 10,000 together.
const TRANSFERS: u64 = 1250;

on_every_server! {
    async fn no_transfer_between_two_accounts_is_lost(server: Server) {
        let ledger = Ledger::new();
        let path = ledger.path().display().to_string();
        let (accounts, transfers) = (ACCOUNTS.to_string(), TRANSFERS.to_string());
        let mut workers: Vec<_> = (1..=PROCESSES)
            .map(|seed| {
                let arguments = ["transfer", &server.url(), &path, &transfers, &accounts, &seed.to_string()];
                Worker::start(env!("CARGO_BIN_EXE_locking-worker"), &arguments)
            })
            .collect();
        let mut expected = [0_i64; ACCOUNTS];
        for worker in &mut workers {
            // It says so at each tenth of its way, each of which takes less than a worker is listened to in silence.
            for tenth in 1..=10 {
                worker.line_starting_with(&format!("tenth {tenth}")).await;
            }
            let line = worker.line_starting_with("moved ").await;
            let moved: Vec<i64> = line["moved ".len()..].split(' ').map(|sum| sum.parse().expect("a number")).collect();
            assert_eq!(moved.len(), ACCOUNTS);
            expected.iter_mut().zip(moved).for_each(|(expected, moved)| *expected += moved);
            assert!(worker.ended().await.success());
        }
        for (account, expected) in expected.iter().enumerate() {
            let balance = server.get(&format!("balance:{account}")).map_or(0, |sum| sum.parse().expect("a number"));
            assert_eq!(balance, *expected, "account {account}");
        }
        let findings = ledger.check();
        findings.assert_clean();
        assert_eq!(findings.grants as u64, PROCESSES * TRANSFERS * 2, "each transfer is in the ledger, at both accounts");
        assert!(!server.keys().iter().any(|key| key.starts_with("dlock:{")), "nothing stays behind");
    }
}
