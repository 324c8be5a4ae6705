//! A process that was stopped past its ttl and wakes up takes not one more step.

use lock_tests::{Ledger, Server, Worker, on_every_server};

use super::{SOON, connect, name};

on_every_server! {
    async fn a_process_that_slept_past_its_ttl_takes_no_more_step(server: Server) {
        let ledger = Ledger::new();
        let path = ledger.path().display().to_string();
        let arguments = ["hold", &server.url(), &path, "slept", "1000"];
        let mut worker = Worker::start(env!("CARGO_BIN_EXE_locking-worker"), &arguments);
        let line = worker.line_starting_with("holds ").await;
        let late: u64 = line["holds ".len()..].parse().expect("a number");
        worker.line_starting_with("rests").await;
        worker.stop();
        server.until_gone(&name("slept"), SOON).await;

        let client = connect(&server.url()).await;
        let guard = client.lock("slept").acquire().await.expect("its ttl is over");
        assert!(guard.fence() > late, "the late one's fence is smaller");
        {
            // Anything that the late one writes from here on is an overlap, and out of order.
            let _inside = ledger.step("slept", guard.fence());
            worker.cont();
            assert_eq!(worker.line_starting_with("lost ").await, "lost Expired");
        }
        assert!(worker.ended().await.success());
        ledger.check().assert_clean();
        assert!(guard.is_held(), "and it did not touch the new holder's key");
        assert_eq!(guard.release().await.expect("the server is there"), lock_runtime::Released::Freed);
    }

    async fn a_killed_process_frees_its_key_by_the_ttl(server: Server) {
        let ledger = Ledger::new();
        let path = ledger.path().display().to_string();
        let arguments = ["hold", &server.url(), &path, "killed", "1000"];
        let mut worker = Worker::start(env!("CARGO_BIN_EXE_locking-worker"), &arguments);
        worker.line_starting_with("holds ").await;
        worker.kill();
        let client = connect(&server.url()).await;
        let guard = client.lock("killed").wait(SOON).acquire().await.expect("the ttl ends it");
        assert!(guard.is_held());
    }
}
