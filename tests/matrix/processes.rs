//! Processes that abort, fork, starve, or are stopped at the wrong moment.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use lock_runtime::Released;
use lock_tests::{Proxy, Server, Worker};

use crate::{SOON, TTL, connect, name};

pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_matrix-worker");
/// What is left of a lock server that nobody uses.
pub(crate) const NOTHING: [&str; 1] = ["dlock:fence"];

pub(crate) async fn worker(url: &str) -> Worker {
    let mut worker = Worker::start(WORKER, &[url]);
    worker.line_starting_with("ready").await;
    worker
}

/// A worker whose body is inside, and that body's fence.
async fn worker_inside(url: &str, key: &str, ttl: Duration) -> (Worker, u64) {
    let mut worker = worker(url).await;
    worker.tell(&format!("body {key} {}", ttl.as_millis()));
    let line = worker.line_starting_with(&format!("inside {key}")).await;
    let fence = line.rsplit(' ').next().and_then(|fence| fence.parse().ok()).expect("a fence");
    (worker, fence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_panic_aborts_and_leaves_the_key_to_its_ttl() {
    let server = Server::redis();
    let mut worker = worker(&server.url()).await;
    worker.tell(&format!("double-panic twice {}", TTL.as_millis()));
    worker.line_starting_with("inside twice").await;
    assert_eq!(worker.ended().await.signal(), Some(6));
    assert!(server.pttl(&name("twice")) <= 1000);
    server.until_gone(&name("twice"), TTL + SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_aborts_or_is_ended_by_a_signal_leaves_its_key_to_its_ttl() {
    let server = Server::redis();
    let ends = |key: &'static str, end: fn(&mut Worker)| {
        let server = &server;
        async move {
            let (mut worker, fence) = worker_inside(&server.url(), key, TTL).await;
            end(&mut worker);
            assert!(worker.ended().await.signal().is_some(), "{key}");
            let ended = Instant::now();
            let left = server.pttl(&name(key));
            assert!(left == -2 || (0..=1000).contains(&left), "{key}: {left}");
            let next = connect(&server.url()).await.lock(key).wait(SOON).acquire().await.expect("the ttl is over");
            assert!(ended.elapsed() < TTL + Duration::from_secs(3), "{key}: {:?}", ended.elapsed());
            assert!(next.fence() > fence);
        }
    };
    tokio::join!(ends("abort", |worker| worker.tell("abort")), ends("terminate", |worker| worker.terminate()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_that_ends_in_a_shutdown_releases_all_at_once() {
    let server = Server::redis();
    let mut worker = worker(&server.url()).await;
    worker.tell("until-terminated");
    worker.line_starting_with("listening").await;
    worker.line_starting_with("inside work").await;
    assert_eq!(server.keys(), ["dlock:fence", "dlock:{work}"]);
    worker.terminate();
    let told = Instant::now();
    worker.line_starting_with("left []").await;
    assert!(worker.ended().await.success());
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
    assert_eq!(server.keys(), NOTHING);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_started_again_waits_at_most_the_ttl_and_has_a_new_token_and_a_greater_fence() {
    let server = Server::redis();
    let (mut worker, first) = worker_inside(&server.url(), "again", TTL).await;
    let token = server.get(&name("again")).expect("it is held");
    worker.kill();
    let client = connect(&server.url()).await;
    let started = Instant::now();
    let second = client.lock("again").wait(SOON).acquire().await.expect("the ttl is over");
    assert!(started.elapsed() < TTL + Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(second.fence() > first);
    assert_ne!(server.get(&name("again")).expect("it is held"), token);
}

#[tokio::test]
async fn a_forked_child_that_drops_its_copies_and_ends_releases_nothing() {
    let server = Server::redis();
    let mut worker = worker(&server.url()).await;
    worker.tell("guard kept");
    worker.line_starting_with("held kept").await;
    let token = server.get(&name("kept"));
    worker.tell("fork");
    assert_eq!(worker.line_starting_with("forked").await, "forked Some(0)");
    assert_eq!(server.get(&name("kept")), token);
    worker.tell("release");
    assert_eq!(worker.line_starting_with("released").await, "released Ok(Freed)");
}

#[tokio::test]
async fn a_process_stopped_between_a_grant_and_its_reading_starts_no_body() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let mut worker = worker(&proxy.url()).await;
    proxy.hold_replies();
    worker.tell(&format!("body late {}", TTL.as_millis()));
    server.until_there(&name("late"), SOON).await;
    worker.stop();
    server.until_gone(&name("late"), SOON).await;
    let stranger = connect(&server.url()).await;
    let guard = stranger.lock("late").acquire().await.expect("the ttl is over");
    // The grant lies in its socket now.
    proxy.pass();
    worker.cont();
    let outcome = worker.line_starting_with("outcome late").await;
    assert!(outcome.contains("Busy") || outcome.contains("Unavailable"), "{outcome}");
    assert!(!worker.lines().iter().any(|line| line.starts_with("inside")), "{:?}", worker.lines());
    assert!(guard.is_held());
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
}

#[tokio::test]
async fn a_process_without_a_core_to_spare_keeps_its_lock() {
    let server = Server::redis();
    let (mut worker, _) = worker_inside(&server.url(), "starved", Duration::from_secs(2)).await;
    // Longer than the ttl, through which it can only come by renewals.
    worker.tell("spin 2500");
    worker.line_starting_with("spun").await;
    assert!(!worker.lines().iter().any(|line| line.starts_with("outcome")), "{:?}", worker.lines());
    assert!(server.pttl(&name("starved")) > 0);
}

#[tokio::test]
async fn a_process_without_files_is_told_and_recovers() {
    let server = Server::redis();
    let mut worker = Worker::start(WORKER, &[&server.url(), "500"]);
    worker.line_starting_with("ready").await;
    worker.tell("no-more-files");
    assert_eq!(worker.line_starting_with("no more files").await, "no more files: true");
    worker.tell("connect");
    let refused = worker.line_starting_with("connect").await;
    assert!(refused.contains("Some("), "{refused}");
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    worker.tell("try job");
    assert_eq!(worker.line_starting_with("tried job").await, "tried job unavailable");
    assert!(!worker.lines().contains(&"the body ran".to_owned()));
    worker.tell("more-files");
    worker.line_starting_with("more files").await;
    for _ in 0..20 {
        worker.tell("try job");
        if worker.line_starting_with("tried job").await == "tried job granted" {
            return;
        }
    }
    panic!("it never recovered: {:?}", worker.lines());
}

#[tokio::test]
async fn a_process_that_can_start_no_thread_is_told_and_recovers() {
    let server = Server::redis();
    let mut worker = worker(&server.url()).await;
    worker.tell("connect-without-threads");
    let refused = worker.line_starting_with("without threads").await;
    assert!(refused.contains("NoThread"), "{refused}");
    assert_eq!(worker.line_starting_with("with threads").await, "with threads None");
}
