//! The ledger finds an overlap and a fence that does not grow, and forgives those that were killed.

use lock_tests::{Ledger, OutOfOrder, Overlap, Visitor, Worker};

const WORKER: &str = env!("CARGO_BIN_EXE_harness-worker");

fn us(fence: u64) -> Visitor {
    Visitor { fence, pid: std::process::id() }
}

async fn enter(worker: &mut Worker, ledger: &Ledger, fence: u64) -> Visitor {
    worker.tell(&format!("enter {} job:42 {fence}", ledger.path().display()));
    worker.line_starting_with("entered").await;
    Visitor { fence, pid: worker.pid() }
}

async fn leave(worker: &mut Worker) {
    worker.tell("leave");
    worker.line_starting_with("left").await;
}

#[test]
fn one_after_the_other_is_clean() {
    let ledger = Ledger::new();
    for fence in [1, 2, 5] {
        let inside = ledger.enter("job:42", fence);
        drop(inside);
        drop(ledger.step("job:42", fence));
    }
    let elsewhere = (ledger.enter("a", 1), ledger.enter("b", 1));
    let findings = ledger.check();
    findings.assert_clean();
    assert_eq!(findings.grants, 5);
    drop(elsewhere);
}

#[test]
fn two_at_once_in_one_process_are_found() {
    let ledger = Ledger::new();
    let first = ledger.enter("job:42/é", 1);
    let second = ledger.enter("job:42/é", 2);
    drop((first, second));
    drop(ledger.enter("job:42/é", 3));
    let overlap = Overlap { key: "job:42/é".into(), newcomer: us(2), inside: Some(us(1)) };
    assert_eq!(ledger.check().overlaps, [overlap]);
}

#[test]
fn a_second_step_of_another_grant_is_found() {
    let ledger = Ledger::new();
    let stale = ledger.enter("a", 1);
    drop(stale);
    let fresh = ledger.enter("a", 2);
    let late = ledger.step("a", 1);
    drop((late, fresh));
    assert_eq!(ledger.check().overlaps, [Overlap { key: "a".into(), newcomer: us(1), inside: Some(us(2)) }]);
}

#[test]
fn a_fence_that_does_not_grow_is_found() {
    let ledger = Ledger::new();
    for fence in [5, 3, 4, 5, 6] {
        drop(ledger.enter("a", fence));
    }
    let shrunk = |fence| OutOfOrder { key: "a".into(), before: us(5), after: us(fence) };
    assert_eq!(ledger.check().out_of_order, [shrunk(3), shrunk(4), shrunk(5)]);
}

#[test]
#[should_panic(expected = "Overlap")]
fn findings_that_are_not_clean_panic() {
    let ledger = Ledger::new();
    let both = (ledger.enter("a", 1), ledger.enter("a", 2));
    ledger.check().assert_clean();
    drop(both);
}

#[tokio::test]
async fn two_processes_at_once_are_found_and_taking_turns_is_clean() {
    let ledger = Ledger::new();
    let (mut one, mut two) = (Worker::start(WORKER, &[]), Worker::start(WORKER, &[]));
    enter(&mut one, &ledger, 1).await;
    leave(&mut one).await;
    let inside = enter(&mut two, &ledger, 2).await;
    ledger.check().assert_clean();
    let newcomer = enter(&mut one, &ledger, 3).await;
    assert_eq!(ledger.check().overlaps, [Overlap { key: "job:42".into(), newcomer, inside: Some(inside) }]);
}

#[tokio::test]
async fn one_that_is_stopped_inside_is_still_inside() {
    let ledger = Ledger::new();
    let (mut one, mut two) = (Worker::start(WORKER, &[]), Worker::start(WORKER, &[]));
    enter(&mut one, &ledger, 1).await;
    one.stop();
    enter(&mut two, &ledger, 2).await;
    assert_eq!(ledger.check().overlaps.len(), 1);
}

#[tokio::test]
async fn one_that_was_killed_inside_is_no_longer_inside() {
    let ledger = Ledger::new();
    let (mut one, mut two) = (Worker::start(WORKER, &[]), Worker::start(WORKER, &[]));
    enter(&mut one, &ledger, 1).await;
    one.kill();
    enter(&mut two, &ledger, 2).await;
    ledger.check().assert_clean();
    let again = ledger.enter("job:42", 3);
    assert_eq!(ledger.check().overlaps.len(), 1, "the place was really taken over");
    drop(again);
}

#[test]
fn many_threads_at_once_are_all_found_but_one() {
    let ledger = Ledger::new();
    let all_inside = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for fence in 0..8 {
            let (ledger, all_inside) = (&ledger, &all_inside);
            scope.spawn(move || {
                let inside = ledger.enter("a", fence);
                all_inside.wait();
                drop(inside);
            });
        }
    });
    assert_eq!(ledger.check().overlaps.len(), 7);
}
