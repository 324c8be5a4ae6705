//! A worker is heard line by line, stands still, ends and dies, and takes its own children with it.

use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use lock_tests::Worker;

const WORKER: &str = env!("CARGO_BIN_EXE_harness-worker");

#[tokio::test]
async fn lines_are_awaited_in_order() {
    let mut worker = Worker::start(WORKER, &["--key", "job:42"]);
    assert_eq!(worker.line_starting_with("ready").await, "ready --key job:42");
    for word in ["one", "two", "two"] {
        worker.tell(&format!("say {word}"));
    }
    assert_eq!(worker.line_starting_with("said two").await, "said two");
    assert_eq!(worker.line_starting_with("said two").await, "said two");
    assert_eq!(worker.lines().len(), 4);
}

#[tokio::test]
async fn the_exit_status_is_awaited() {
    let mut worker = Worker::start(WORKER, &[]);
    worker.tell("exit 7");
    assert_eq!(worker.ended().await.code(), Some(7));
    let mut other = Worker::start(WORKER, &[]);
    other.tell_no_more();
    assert!(other.ended().await.success());
}

#[tokio::test]
#[should_panic(expected = "misery")]
async fn a_line_that_cannot_come_any_more_shows_what_came() {
    let mut worker = Worker::start(WORKER, &[]);
    worker.tell("complain misery");
    worker.tell("exit 1");
    worker.line_starting_with("never").await;
}

#[tokio::test]
async fn a_stopped_worker_says_nothing_until_it_goes_on() {
    let mut worker = Worker::start(WORKER, &[]);
    worker.line_starting_with("ready").await;
    worker.stop();
    worker.tell("say something");
    let silence = tokio::time::timeout(Duration::from_millis(100), worker.line_starting_with("said")).await;
    assert!(silence.is_err());
    worker.cont();
    worker.line_starting_with("said something").await;
}

#[tokio::test]
async fn signals_end_a_worker() {
    let mut killed = Worker::start(WORKER, &[]);
    killed.stop();
    assert_eq!(killed.kill().signal(), Some(9));
    let mut asked = Worker::start(WORKER, &[]);
    asked.terminate();
    assert_eq!(asked.ended().await.signal(), Some(15));
}

/// Only Linux kills the children of a killed process.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_does_not_outlive_the_killed_process_that_started_it() {
    // A killed process does not remove the directory of its server.
    let mut worker = Worker::start_with(WORKER, &[], &[("TMPDIR", env!("CARGO_TARGET_TMPDIR"))]);
    worker.tell("server");
    let line = worker.line_starting_with("server ").await;
    let port: u16 = line["server ".len()..].parse().expect("a port");
    TcpStream::connect(("127.0.0.1", port)).expect("the worker's server listens");
    worker.kill();
    let deadline = Instant::now() + Duration::from_secs(10);
    // The end of somebody else's child has no event for us.
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "the server outlived its parent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
