//! Processes that wait for one key, and what they say.

use std::collections::BTreeMap;

use lock_tests::{Ledger, Server, Worker};

use super::{connect, until_in_line};

/// A process that waits as it is told; see `workers/waiting.rs`.
pub(crate) struct Waiter {
    worker: Worker,
}

/// One who was served, of which process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) process: usize,
    pub(crate) name: String,
}

impl Waiter {
    /// With local hand-over.
    pub(crate) async fn local(url: &str, ledger: &Ledger, key: &str) -> Self {
        Self::start(url, ledger, key, "local").await
    }

    /// Without it.
    pub(crate) async fn asking(url: &str, ledger: &Ledger, key: &str) -> Self {
        Self::start(url, ledger, key, "asking").await
    }

    /// Several of them.
    pub(crate) async fn several(count: usize, server: &Server, ledger: &Ledger, key: &str, mode: &str) -> Vec<Self> {
        let url = server.url();
        // They start beside each other.
        let mut started: Vec<_> = (0..count).map(|_| Self::begin(&url, ledger, key, mode)).collect();
        for waiter in &mut started {
            waiter.worker.line_starting_with("ready").await;
        }
        started
    }

    async fn start(url: &str, ledger: &Ledger, key: &str, mode: &str) -> Self {
        let mut waiter = Self::begin(url, ledger, key, mode);
        waiter.worker.line_starting_with("ready").await;
        waiter
    }

    fn begin(url: &str, ledger: &Ledger, key: &str, mode: &str) -> Self {
        let arguments = [url, &ledger.path().display().to_string(), key, mode];
        Self { worker: Worker::start(env!("CARGO_BIN_EXE_waiting-worker"), &arguments) }
    }

    /// Somebody in it comes into line, behind all who were told to before.
    pub(crate) fn asks(&mut self, name: &str, hold_ms: u32) {
        self.worker.tell(&format!("ask {name} {hold_ms}"));
    }

    /// The next who is served: the name and the fence.
    pub(crate) async fn served(&mut self) -> (String, u64) {
        let line = self.worker.line_starting_with("served ").await;
        let (name, fence) = line["served ".len()..].split_once(' ').expect("a name and a fence");
        (name.to_owned(), fence.parse().expect("a number"))
    }

    pub(crate) async fn left(&mut self, name: &str) {
        self.worker.line_starting_with(&format!("left {name}")).await;
    }

    /// One of its client's numbers, by its name.
    pub(crate) async fn stat(&mut self, name: &str) -> u64 {
        self.worker.tell("stats");
        let line = self.worker.line_starting_with("stats ").await;
        let (_, rest) = line.split_once(&format!(" {name}: ")).expect("a number of that name");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// Comes back when so many in it wait.
    pub(crate) async fn until_waiting(&mut self, count: u64) {
        while self.stat("waiting").await != count {}
    }

    pub(crate) fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }
}

/// Who was served in which order, when each of these processes has so many who wait; told by fences, which the ledger
/// has to find growing.
pub(crate) async fn holds(waiters: &mut [Waiter], each: usize) -> Vec<Hold> {
    let mut holds = BTreeMap::new();
    for (process, waiter) in waiters.iter_mut().enumerate() {
        for _ in 0..each {
            let (name, fence) = waiter.served().await;
            assert!(holds.insert(fence, Hold { process, name }).is_none(), "fence {fence} was given twice");
        }
    }
    holds.into_values().collect()
}

/// Holds the key until all that is told to wait stands in line, and no longer.
///
/// The processes come one after the other, each when the one before stands in line; within a process names grow.
pub(crate) async fn line_up(server: &Server, key: &str, waiters: &mut [Waiter], each: usize, hold_ms: u32) {
    let client = connect(&server.url()).await;
    let holder = client.lock(key).acquire().await.expect("nobody else is here yet");
    for (process, waiter) in waiters.iter_mut().enumerate() {
        for number in 0..each {
            waiter.asks(&number.to_string(), hold_ms);
        }
        until_in_line(server, key, process + 1).await;
        waiter.until_waiting(each as u64).await;
    }
    holder.release().await.expect("the server is there");
}
