//! A process forks: its client, guards and bodies are the parent's alone, and the child is told so at once. And one
//! that starts its locking anew: nothing of the old client is in the way.

use lock_tests::{Server, Worker, on_every_server, on_every_store};

const WORKER: &str = env!("CARGO_BIN_EXE_process-worker");
/// What a child is told of all that it does with its parent's client.
const FORKED: &str = "Err(Forked { key: LockKey(";

/// A worker for a scenario, and all that it said.
async fn played(url: &str, scenario: &str) -> Vec<String> {
    let mut worker = Worker::start(WORKER, &[url, scenario]);
    let status = worker.ended().await;
    assert!(status.success(), "{scenario}: {status:?}, {:?}, {:?}", worker.lines(), worker.errors());
    worker.lines()
}

#[track_caller]
fn says(lines: &[String], start: &str) -> String {
    let found = lines.iter().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no `{start}` in {lines:#?}")).clone()
}

on_every_store! {
    async fn a_call_with_a_client_from_before_the_fork_is_refused_at_once(url: String) {
        let lines = played(&url, "lazy").await;
        assert!(says(&lines, "acquire").contains(FORKED), "{lines:#?}");
        assert!(says(&lines, "run").contains(FORKED), "{lines:#?}");
        assert_eq!(says(&lines, "shutdown"), "shutdown ShutdownReport { lost: 0, left: [] }");
        assert_eq!(says(&lines, "close"), "close ShutdownReport { lost: 0, left: [] }");
        assert_eq!(says(&lines, "stats"), "stats 0");
        assert!(says(&lines, "inspect").contains(FORKED), "{lines:#?}");
        assert_eq!(says(&lines, "own"), "own Ok(\"ran\")");
        assert_eq!(says(&lines, "child"), "child Some(0)");
        assert_eq!(says(&lines, "parent"), "parent Ok(\"ran\")");
    }

    async fn guards_bodies_and_waiters_stay_with_the_parent(url: String) {
        let lines = played(&url, "holding").await;
        assert_eq!(says(&lines, "held"), "held false for 0ns");
        assert_eq!(says(&lines, "lost"), "lost Forked and Forked");
        assert_eq!(says(&lines, "ended"), "ended Lost(Forked)");
        for answer in ["renew", "release", "waiter", "body"] {
            assert!(says(&lines, answer).contains(FORKED), "{lines:#?}");
        }
        assert_eq!(says(&lines, "child"), "child Some(0)");
        assert_eq!(says(&lines, "parent holds"), "parent holds true true true");
        assert_eq!(says(&lines, "parent renews"), "parent renews Ok(())");
        assert_eq!(says(&lines, "parent releases"), "parent releases Ok(Freed) Ok(Freed)");
    }

    async fn an_installed_client_is_replaced_in_a_child(url: String) {
        let lines = played(&url, "installed").await;
        assert!(says(&lines, "inherited").contains(FORKED), "{lines:#?}");
        assert_eq!(says(&lines, "own"), "own Ok(\"ran\")");
        assert_eq!(says(&lines, "again"), "again Err(AlreadyInstalled)");
        assert_eq!(says(&lines, "child"), "child Some(0)");
        assert_eq!(says(&lines, "parent"), "parent Ok(\"ran\")");
    }

    async fn a_child_of_a_busy_process_makes_a_client_and_locks(url: String) {
        assert_eq!(says(&played(&url, "busy").await, "ended"), "ended 30");
    }

    async fn what_is_under_way_with_a_client_that_is_replaced_goes_on(url: String) {
        // Shared by the two clients of that process.
        let lines = played(&url, "reload").await;
        assert_eq!(says(&lines, "new"), "new Ok(\"ran\")");
        assert!(says(&lines, "busy").starts_with("busy true"), "{lines:#?}");
        assert_eq!(says(&lines, "old"), "old Ok(\"ended\")");
        assert_eq!(says(&lines, "report"), "report ShutdownReport { lost: 0, left: [] }");
        assert_eq!(says(&lines, "free"), "free true");
    }

    async fn what_starts_again_in_one_process_leaves_no_thread_and_no_connection(url: String) {
        let said = says(&played(&url, "again").await, "again");
        let numbers: Vec<usize> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(numbers[0] <= 1 && numbers[1] <= 4, "{said}");
    }

    async fn a_client_that_was_closed_has_no_thread(url: String) {
        let lines = played(&url, "closed").await;
        assert_eq!(says(&lines, "running"), "running 1");
        assert_eq!(says(&lines, "closed"), "closed 0 keepers, left 0 0");
    }
}

on_every_server! {
    async fn a_fork_inside_a_body_leaves_the_lock_to_the_parent(server: Server) {
        let lines = played(&server.url(), "inside").await;
        assert_eq!(says(&lines, "inside held"), "inside held false");
        assert!(says(&lines, "inside own").contains("Busy"), "{lines:#?}");
        assert_eq!(says(&lines, "child"), "child Some(0), held true");
        assert_eq!(says(&lines, "outcome"), "outcome Ok(())");
    }

    /// The hook is inherited; what it does is for the child's own locks.
    async fn the_end_of_a_child_releases_its_own_locks_and_not_its_parents(server: Server) {
        let mut worker = Worker::start(WORKER, &[&server.url(), "exit"]);
        assert_eq!(worker.line_starting_with("child").await, "child Some(0)");
        let held = |key: &str| server.keys().iter().any(|name| name.contains(&format!("{{{key}}}")));
        assert!(held("parents") && !held("childs"), "{:?}", server.keys());
        worker.tell("end");
        assert!(worker.ended().await.success());
        assert!(!held("parents"), "{:?}", server.keys());
    }
}
