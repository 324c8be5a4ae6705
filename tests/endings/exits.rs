//! At the end of a process its locks are released, however it ends, unless it is killed or ends inside a body.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use lock_tests::{Kind, Server, Worker, on_every_server};
use rustix::process::{Pid, Signal, kill_process};

const WORKER: &str = env!("CARGO_BIN_EXE_exit-worker");
/// What is left of a lock server that nobody uses.
const NOTHING: [&str; 1] = ["dlock:fence"];
/// What the end of a process may take: a quarter of a second for the hook, and the rest for a busy machine.
const END: Duration = Duration::from_secs(1);

on_every_server! {
    async fn the_return_of_main_releases_guards_and_running_bodies(server: Server) {
        for way in ["return", "drop-the-runtime"] {
            let mut worker = holding(&server).await;
            worker.tell(way);
            assert!(worker.ended().await.success());
            assert_eq!(server.keys(), NOTHING, "{way}");
        }
    }

    async fn process_exit_outside_of_bodies_releases_guards_and_running_bodies(server: Server) {
        let mut worker = holding(&server).await;
        worker.tell("exit");
        assert_eq!(worker.ended().await.code(), Some(3));
        assert_eq!(server.keys(), NOTHING);
    }

    async fn a_hundred_locks_are_released_at_exit(server: Server) {
        let mut worker = holding(&server).await;
        for n in 0..100 {
            worker.tell(&format!("guard {n}"));
        }
        worker.line_starting_with("held 99").await;
        assert_eq!(server.keys().len(), 103);
        worker.tell("exit");
        worker.ended().await;
        assert_eq!(server.keys(), NOTHING);
    }

    async fn a_running_body_of_several_keys_releases_all_at_the_end(server: Server) {
        for way in ["exit", "return", "drop-the-runtime"] {
            let mut worker = holding(&server).await;
            worker.tell("body-of one another");
            worker.line_starting_with("inside one and another").await;
            assert_eq!(server.keys().len(), 5);
            worker.tell(way);
            worker.ended().await;
            assert_eq!(server.keys(), NOTHING, "{way}");
        }
    }

    async fn a_guard_that_outlives_a_shutdown_is_released_at_exit(server: Server) {
        for way in ["exit", "return", "drop-the-runtime"] {
            let mut worker = holding(&server).await;
            worker.tell("shutdown");
            assert_eq!(worker.line_starting_with("shut down").await, "shut down, 2 lost and 1 left");
            assert_eq!(server.keys(), ["dlock:fence", "dlock:{guard}"]);
            worker.tell(way);
            worker.ended().await;
            assert_eq!(server.keys(), NOTHING, "{way}");
        }
    }

    async fn a_guard_that_outlives_its_max_hold_is_released_at_exit(server: Server) {
        let mut worker = holding(&server).await;
        worker.tell("guard-at-most short 300");
        assert_eq!(worker.line_starting_with("lost short").await, "lost short MaxHold");
        assert!(server.pttl("dlock:{short}") > 20_000);
        worker.tell("exit");
        worker.ended().await;
        assert_eq!(server.keys(), NOTHING);
    }

    async fn a_panic_in_main_releases(server: Server) {
        let mut worker = holding(&server).await;
        worker.tell("panic another");
        assert_eq!(worker.ended().await.code(), Some(101));
        assert_eq!(server.keys(), NOTHING);
    }

    async fn process_exit_inside_a_body_leaves_that_key_to_its_ttl_and_releases_the_others(server: Server) {
        for way in ["exit-in", "exit-in-a-task"] {
            let mut worker = holding(&server).await;
            worker.tell(&format!("{way} inside-{way}"));
            assert!(!worker.ended().await.success());
            let left = format!("dlock:{{inside-{way}}}");
            assert!(server.pttl(&left) > 20_000, "{way}");
            assert!(server.del(&left));
            assert_eq!(server.keys(), NOTHING, "{way}");
        }
    }

    async fn ctrl_c_that_a_select_handles_releases(server: Server) {
        let mut worker = holding(&server).await;
        worker.tell("until-ctrl-c");
        worker.line_starting_with("listening").await;
        worker.line_starting_with("inside work").await;
        assert!(server.keys().contains(&"dlock:{work}".to_owned()));
        let pid = Pid::from_raw(worker.pid().cast_signed()).expect("a process has a number");
        kill_process(pid, Signal::INT).expect("it runs");
        worker.line_starting_with("interrupted").await;
        assert!(worker.ended().await.success());
        assert_eq!(server.keys(), NOTHING);
    }

    async fn min_hold_is_kept_at_exit_and_the_ttl_is_not(server: Server) {
        let mut worker = holding(&server).await;
        worker.tell("guard-for kept 10000");
        worker.line_starting_with("held kept").await;
        worker.tell("exit");
        worker.ended().await;
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{kept}"]);
        let left = server.pttl("dlock:{kept}");
        assert!(left <= 10_000 && left > 5_000, "{left}");
    }

    async fn a_killed_process_leaves_its_keys_to_their_ttl(server: Server) {
        let mut worker = holding(&server).await;
        assert_eq!(worker.kill().signal(), Some(9));
        assert!(server.pttl("dlock:{guard}") > 20_000);
        assert!(server.pttl("dlock:{body}") > 20_000);
    }

    async fn the_end_is_not_held_up_by_a_server_that_is_gone(server: Server) {
        let mut server = server;
        let mut worker = holding(&server).await;
        server.kill();
        worker.tell("exit");
        let told = Instant::now();
        assert_eq!(worker.ended().await.code(), Some(3));
        assert!(told.elapsed() < END, "{:?}", told.elapsed());
    }

    async fn the_end_is_not_held_up_by_a_server_that_is_silent(server: Server) {
        for way in ["exit", "return", "drop-the-runtime"] {
            let mut worker = holding(&server).await;
            server.stop();
            worker.tell(way);
            let told = Instant::now();
            worker.ended().await;
            assert!(told.elapsed() < END, "{way}: {:?}", told.elapsed());
            server.cont();
            server.flushall();
        }
    }
}

#[tokio::test]
async fn without_a_client_the_body_does_not_run() {
    let mut worker = Worker::start(WORKER, &["memory://"]);
    worker.tell("unconfigured");
    let line = worker.line_starting_with("unconfigured").await;
    assert!(line.contains("Err(NotConfigured") && line.contains("LockKey(unconfigured)"), "{line}");
    assert!(!worker.lines().contains(&"the body ran".to_owned()));
}

/// Where threads can be counted.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_keeper_of_a_client_that_is_gone_ends() {
    let server = Server::builder(Kind::Redis).start();
    for url in [server.url(), "memory://shared".to_owned(), "memory://".to_owned()] {
        let mut worker = Worker::start(WORKER, &[&url]);
        worker.tell("keepers 200");
        assert_eq!(worker.line_starting_with("running").await, "running 200");
        assert_eq!(worker.line_starting_with("left").await, "left 0", "{url}");
    }
    assert_eq!(server.keys(), NOTHING);
}

/// A worker that holds `guard` by a guard and `body` by a body that runs.
async fn holding(server: &Server) -> Worker {
    let mut worker = Worker::start(WORKER, &[&server.url()]);
    worker.line_starting_with("ready").await;
    worker.tell("guard guard");
    worker.line_starting_with("held guard").await;
    worker.tell("body body 30000");
    worker.line_starting_with("inside body").await;
    assert_eq!(server.keys(), ["dlock:fence", "dlock:{body}", "dlock:{guard}"]);
    worker
}
