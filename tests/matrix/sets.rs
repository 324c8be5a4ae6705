//! Sets of holders in several processes: holders that die or are stopped while others renew, strangers, and writers
//! that wait behind very many readers.

use std::time::{Duration, Instant};

use lock_runtime::store::StoreErrorKind;
use lock_runtime::{Client, LockError, LockGuard, LockRequest, Released};
use lock_tests::{Server, Worker, on_every_server, spawn_polled};
use tokio::task::JoinHandle;

use crate::processes::{NOTHING, worker};
use crate::{SOON, TTL, connect, name, until, until_renewed};

/// A process that holds a place in a key until it is told to release it.
async fn holding(server: &Server, key: &str, kind: &str) -> Worker {
    let mut worker = worker(&server.url()).await;
    worker.tell(&format!("guard {key} {} {kind}", TTL.as_millis()));
    worker.line_starting_with("held").await;
    worker
}

/// A process whose body holds a place in a key, and rests.
async fn inside(server: &Server, key: &str, kind: &str) -> Worker {
    let mut worker = worker(&server.url()).await;
    worker.tell(&format!("body {key} {} {kind}", TTL.as_millis()));
    worker.line_starting_with("inside").await;
    worker
}

async fn leaves(worker: &mut Worker) {
    worker.tell("release");
    assert_eq!(worker.line_starting_with("released").await, "released Ok(Freed)");
}

/// How many steps a body has begun after the first.
fn steps(worker: &Worker) -> usize {
    worker.lines().iter().filter(|line| line.starts_with("step")).count()
}

/// How many hold a key at this moment.
async fn holders(client: &Client, key: &str) -> usize {
    client.inspect(key).await.expect("the store is there").holders.len()
}

/// Comes back when so many hold a key.
async fn until_held_by(client: &Client, key: &str, count: usize) {
    let deadline = Instant::now() + SOON;
    while holders(client, key).await != count {
        assert!(Instant::now() < deadline, "{count} holders: {:?}", client.inspect(key).await);
        // No event tells of a lease that expires.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A call that waits, and stands in the queue at the server behind so many.
async fn waiting(
    server: &Server,
    key: &str,
    behind: i64,
    request: LockRequest,
) -> JoinHandle<Result<LockGuard, LockError>> {
    let waiting = spawn_polled(async { request.wait_forever().acquire().await }).await;
    until("in the queue", || server.ask::<i64>(&["ZCARD", &format!("{}:queue", name(key))]) == behind + 1).await;
    waiting
}

/// The lock that somebody waits for; panics if it does not come soon.
async fn served(waiting: JoinHandle<Result<LockGuard, LockError>>) -> LockGuard {
    tokio::time::timeout(SOON, waiting).await.expect("its turn comes").expect("no panic").expect("it is served")
}

/// Whether another program gets its plain lock.
fn takes_plainly(server: &Server, key: &str) -> bool {
    server.command(&["SET", &name(key), "somebody", "NX", "PX", "60000"]) == redis::Value::Okay
}

fn assert_busy(tried: &Result<LockGuard, LockError>) {
    assert!(matches!(tried, Err(LockError::Busy { .. })), "{tried:?}");
}

on_every_server! {
    async fn a_reader_that_is_killed_is_gone_by_its_ttl_and_the_writer_comes_when_the_others_leave(server: Server) {
        let mut killed = holding(&server, "book", "shared").await;
        let (mut one, mut other) = (holding(&server, "book", "shared").await, holding(&server, "book", "shared").await);
        let client = connect(&server.url()).await;
        let writer = waiting(&server, "book", 0, client.lock("book")).await;
        killed.kill();
        let since = Instant::now();
        until_held_by(&client, "book", 2).await;
        assert!(since.elapsed() < TTL + Duration::from_secs(3), "{:?}", since.elapsed());
        // So long that the others are there by their renewals alone, and the lock with them.
        tokio::time::sleep(TTL).await;
        assert_eq!((holders(&client, "book").await, writer.is_finished()), (2, false));
        leaves(&mut one).await;
        assert_eq!((holders(&client, "book").await, writer.is_finished()), (1, false));
        leaves(&mut other).await;
        let writes = served(writer).await;
        assert_eq!(writes.release().await.expect("the server is there"), Released::Freed);
        assert_eq!(server.keys(), NOTHING);
    }

    async fn a_permit_of_a_stopped_process_is_given_on_and_no_step_of_its_body_starts_again(server: Server) {
        let mut stopped = inside(&server, "seat", "2").await;
        let mut renews = holding(&server, "seat", "2").await;
        let client = connect(&server.url()).await;
        let next = waiting(&server, "seat", 0, client.lock("seat").permits(2)).await;
        let before = steps(&stopped);
        stopped.stop();
        let next = served(next).await;
        assert_busy(&connect(&server.url()).await.lock("seat").permits(2).acquire().await);
        stopped.cont();
        let outcome = stopped.line_starting_with("outcome").await;
        assert!(outcome.contains("Lost") && outcome.contains("reason: Expired"), "{outcome}");
        assert_eq!(steps(&stopped), before);
        assert_eq!(holders(&client, "seat").await, 2, "whoever was late took nothing back");
        assert_eq!(next.release().await.expect("the server is there"), Released::Freed);
        leaves(&mut renews).await;
        assert_eq!(server.keys(), NOTHING);
    }

    async fn a_writer_waits_behind_a_hundred_readers_and_is_not_overtaken_by_those_who_come_later(server: Server) {
        const PROCESSES: usize = 5;
        const EACH: usize = 20;
        let mut readers = Vec::new();
        for _ in 0..PROCESSES {
            readers.push(worker(&server.url()).await);
        }
        for reader in &mut readers {
            for _ in 0..EACH {
                reader.tell("guard library 10000 shared");
            }
        }
        for reader in &mut readers {
            for _ in 0..EACH {
                reader.line_starting_with("held library").await;
            }
        }
        let client = connect(&server.url()).await;
        assert_eq!(holders(&client, "library").await, PROCESSES * EACH);
        let writer = waiting(&server, "library", 0, client.lock("library")).await;
        let mut late = Vec::new();
        for place in 1..=10 {
            let newcomer = connect(&server.url()).await;
            late.push(waiting(&server, "library", place, newcomer.lock("library").shared()).await);
        }
        for reader in &mut readers {
            // Also one whose process is inside already.
            reader.tell("try library shared");
            assert_eq!(reader.line_starting_with("tried").await, "tried library busy");
            for _ in 0..EACH {
                assert!(!writer.is_finished(), "readers are inside");
                leaves(reader).await;
            }
        }
        let writes = served(writer).await;
        assert!(late.iter().all(|reader| !reader.is_finished()), "the writer is inside");
        assert_eq!(holders(&client, "library").await, 1);
        let fence = writes.fence();
        drop(writes);
        let mut together = Vec::new();
        for reader in late {
            together.push(served(reader).await);
        }
        assert_eq!(holders(&client, "library").await, 10, "they came in together");
        assert!(together.iter().all(|reader| reader.fence() > fence), "in the order in which they came");
    }

    async fn a_plain_set_fails_while_anybody_holds_and_works_when_the_last_is_gone(server: Server) {
        for kind in ["shared", "3"] {
            let (mut leaving, mut dying) = (holding(&server, "plain", kind).await, holding(&server, "plain", kind).await);
            let mut last = holding(&server, "plain", kind).await;
            assert!(!takes_plainly(&server, "plain"));
            leaves(&mut leaving).await;
            assert!(!takes_plainly(&server, "plain"));
            dying.kill();
            let client = connect(&server.url()).await;
            until_held_by(&client, "plain", 1).await;
            assert!(!takes_plainly(&server, "plain"));
            last.kill();
            let since = Instant::now();
            until("free", || takes_plainly(&server, "plain")).await;
            assert!(since.elapsed() < TTL + Duration::from_secs(3), "{:?}", since.elapsed());
            assert_busy(&client.lock("plain").shared().acquire().await);
            assert_busy(&client.lock("plain").permits(3).acquire().await);
            assert!(server.del(&name("plain")));
            // What is left of the dead counts for nobody.
            let next = client.lock("plain").permits(1).acquire().await.expect("it is free");
            assert_eq!(holders(&client, "plain").await, 1);
            assert!(!takes_plainly(&server, "plain"));
            assert_eq!(next.release().await.expect("the server is there"), Released::Freed);
            assert!(takes_plainly(&server, "plain"), "at once after a release");
            server.del(&name("plain"));
        }
    }

    async fn holders_of_a_set_that_is_deleted_are_told_and_a_later_set_revives_none_of_them(server: Server) {
        for kind in ["shared", "3"] {
            let mut holders_of_old = [inside(&server, "gone", kind).await, inside(&server, "gone", kind).await];
            let steps_before: Vec<usize> = holders_of_old.iter().map(steps).collect();
            assert!(server.del(&name("gone")));
            let client = connect(&server.url()).await;
            let request = client.lock("gone").ttl(2 * TTL);
            let request = if kind == "shared" { request.shared() } else { request.permits(3) };
            let later = request.acquire().await.expect("it is free");
            for old in &mut holders_of_old {
                let outcome = old.line_starting_with("outcome").await;
                assert!(outcome.contains("Lost") && outcome.contains("reason: Stolen"), "{outcome}");
            }
            assert_eq!(holders_of_old.iter().map(steps).collect::<Vec<_>>(), steps_before);
            assert_eq!(holders(&client, "gone").await, 1);
            until_renewed(&later).await;
            assert_eq!(later.release().await.expect("the server is there"), Released::Freed);
            assert_eq!(server.keys(), NOTHING);
        }
    }

    async fn a_full_server_lets_nobody_into_a_set_and_keeps_nobody_in_it(server: Server) {
        for kind in ["shared", "3"] {
            let mut holder = holding(&server, "full", kind).await;
            let client = connect(&server.url()).await;
            let request = || {
                let request = client.lock("full").ttl(TTL);
                if kind == "shared" { request.shared() } else { request.permits(3) }
            };
            let held = request().acquire().await.expect("there is room");
            let newcomer = connect(&server.url()).await;
            let writer = waiting(&server, "full", 0, connect(&server.url()).await.lock("full")).await;
            server.command(&["CONFIG", "SET", "maxmemory", "1"]);
            match newcomer.lock("another").shared().acquire().await {
                Err(LockError::Unavailable { source, .. }) => assert_eq!(source.kind(), StoreErrorKind::Unready),
                other => panic!("{other:?}"),
            }
            for _ in 0..3 {
                until_renewed(&held).await;
            }
            assert_eq!(holders(&client, "full").await, 2, "both are renewed");
            leaves(&mut holder).await;
            assert_eq!(holders(&client, "full").await, 1);
            assert_eq!(held.release().await.expect("it takes no memory"), Released::Freed);
            assert!(server.get(&name("full")).is_none_or(|value| !value.starts_with('*')), "no set is left");
            server.command(&["CONFIG", "SET", "maxmemory", "0"]);
            drop(served(writer).await);
            assert_eq!(request().wait(SOON).acquire().await.expect("there is room again").release().await.ok(), Some(Released::Freed));
            server.until_gone(&name("full"), SOON).await;
        }
    }

    async fn half_a_fleet_with_another_number_of_permits_counts_by_its_own(server: Server) {
        let (mut one, mut two) = (holding(&server, "pool", "4").await, holding(&server, "pool", "4").await);
        let mut modest = worker(&server.url()).await;
        modest.tell("try pool 2");
        assert_eq!(modest.line_starting_with("tried").await, "tried pool busy");
        let (mut three, mut four) = (holding(&server, "pool", "4").await, holding(&server, "pool", "4").await);
        let mut lavish = worker(&server.url()).await;
        lavish.tell("try pool 4");
        assert_eq!(lavish.line_starting_with("tried").await, "tried pool busy");
        let client = connect(&server.url()).await;
        // One of two waits in front, one of four behind it.
        let first = waiting(&server, "pool", 0, client.lock("pool").permits(2)).await;
        let second = waiting(&server, "pool", 1, connect(&server.url()).await.lock("pool").permits(4)).await;
        for holder in [&mut one, &mut two] {
            leaves(holder).await;
            assert!(!first.is_finished() && !second.is_finished(), "two are in, and nobody passes the queue");
        }
        leaves(&mut three).await;
        let (first, second) = (served(first).await, served(second).await);
        assert!(first.fence() < second.fence(), "in order");
        assert_eq!(holders(&client, "pool").await, 3);
        lavish.tell("try pool 4");
        assert_eq!(lavish.line_starting_with("tried").await, "tried pool granted");
        modest.tell("try pool 2");
        assert_eq!(modest.line_starting_with("tried").await, "tried pool busy");
        drop((first, second));
        leaves(&mut four).await;
        modest.tell("try pool 2");
        assert_eq!(modest.line_starting_with("tried").await, "tried pool granted");
    }
}
