//! Waiting: who is served when, what a hand-over costs, and what waiters that die, stop or hear nothing cost others.
//!
//! What all of it rests on: the queue of a key at the server counts the processes in line, one entry for each, so a
//! test that knows who stood in line when awaits that, and never trusts its luck. Order and counts are asserted; times
//! only where a time is the promise, and then so generously that a busy machine keeps them. A client in this process is
//! to the server what a process is; workers are started where one has to be stopped or killed.

mod cancelled;
mod clock;
mod dead;
mod failover;
mod fleet;
mod full;
mod herd;
mod line;
mod messages;
mod order;
mod terms;
mod turns;
mod unpolled;

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LockRequest, current};
use lock_tests::{Ledger, Server, spawn_polled};
use tokio::task::JoinHandle;

/// Longer than anything here should take, shorter than a stuck test.
const SOON: Duration = Duration::from_secs(10);
/// What passes at most until a waiter who missed its message looks again.
const LOOK: Duration = Duration::from_millis(1250);
/// How long a hand-over by message lasts at first, where the network is quick.
const FIRST_LEASE: Duration = Duration::from_secs(1);
/// What a busy machine may add to any time.
const SLACK: Duration = Duration::from_millis(1500);

/// A client as most programs have it.
async fn connect(url: &str) -> Client {
    Client::connect(url).await.expect("the store is there")
}

/// A client each of whose grants is the store's.
async fn connect_asking(url: &str) -> Client {
    Client::builder().local_handover(false).connect(url).await.expect("the store is there")
}

/// The name of a key in Redis.
fn name(key: &str) -> String {
    format!("dlock:{{{key}}}")
}

/// The name of those who wait for it.
fn queue(key: &str) -> String {
    format!("dlock:{{{key}}}:queue")
}

/// How many processes stand in line at the server.
fn in_line(server: &Server, key: &str) -> usize {
    let members: Vec<String> = server.ask(&["ZRANGE", &queue(key), "0", "-1"]);
    // Waiters who look by themselves have a mark beside their entry.
    members.iter().filter(|member| !member.starts_with("seen|")).count()
}

/// Comes back when so many processes stand in line.
async fn until_in_line(server: &Server, key: &str, processes: usize) {
    until(&format!("{processes} stand in line"), || in_line(server, key) == processes).await;
}

/// Comes back when the server knows that those who were killed are gone.
///
/// Their connections had ended when their processes were waited for, so that the server, which reads in the order of
/// coming, has seen the ends when it answers to a connection that is newer.
fn notices_the_dead(server: &Server) {
    server.command(&["PING"]);
}

/// Waits for something that no event announces, with a look every two milliseconds.
async fn until(what: &str, came: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !came() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Who was served, in this order, as they say it themselves while they are inside.
#[derive(Clone, Default)]
struct Served(std::sync::Arc<std::sync::Mutex<Vec<(String, u64)>>>);

impl Served {
    fn write(&self, name: &str, fence: u64) {
        self.0.lock().expect("nobody panics with it").push((name.to_owned(), fence));
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with it").iter().map(|(name, _)| name.clone()).collect()
    }

    #[track_caller]
    fn assert_fences_grow(&self) {
        let served = self.0.lock().expect("nobody panics with it");
        assert!(served.windows(2).all(|pair| pair[0].1 < pair[1].1), "{served:?}");
    }
}

/// Makes a body that is inside of the ledger for a while.
fn enters(ledger: &Ledger, key: &str, hold: Duration) -> impl Future<Output = u64> + Send + 'static {
    let (ledger, key) = (Ledger::at(ledger.path()), key.to_owned());
    async move {
        let fence = current().expect("inside a body").fence();
        let _inside = ledger.enter(&key, fence);
        // Holding the lock is what this body is for.
        tokio::time::sleep(hold).await;
        fence
    }
}

/// Comes into the line of its process behind all who came before, and says who it is when it is served.
async fn comes(request: LockRequest, name: &str, served: &Served) -> JoinHandle<Result<(), LockError>> {
    let (name, served) = (name.to_owned(), served.clone());
    let body = async move { served.write(&name, current().expect("inside a body").fence()) };
    spawn_polled(request.run(body)).await
}

/// What a waiter has to show when it was served.
async fn its_turn<T>(waiter: JoinHandle<Result<T, LockError>>) -> T {
    let outcome = tokio::time::timeout(2 * SOON, waiter).await.expect("its turn comes");
    outcome.expect("nobody panics").expect("everybody is served")
}

/// What all of them have to show, in the order of their coming.
async fn all_served<T>(waiters: Vec<JoinHandle<Result<T, LockError>>>) -> Vec<T> {
    let mut shown = Vec::new();
    for waiter in waiters {
        shown.push(its_turn(waiter).await);
    }
    shown
}
