//! Waits for a living: the processes of the waiting tests.
//!
//! `waiting-worker URL LEDGER KEY local|asking` does what it is told on its input, line by line, and says so: it waits
//! for one key, under as many names as it is told, and is inside of the ledger while it holds. `asking` is a client
//! without local hand-over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lock_runtime::{Client, current};
use lock_tests::{Ledger, spawn_polled};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// How many tasks of a process make a storm.
const STORM_TASKS: u64 = 25;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, ledger, key, mode] = &arguments[..] else { panic!("whom to wait for? {arguments:?}") };
    let client = Client::builder().local_handover(mode == "local").connect(url).await.expect("the server is up");
    let hands = Hands { client, ledger: ledger.clone(), key: key.clone() };
    println!("ready");
    obey(&hands, told()).await;
}

/// The lines of the input, read on a thread of its own since reading blocks.
fn told() -> UnboundedReceiver<String> {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}

async fn obey(hands: &Hands, mut told: UnboundedReceiver<String>) {
    let mut crowd = None;
    while let Some(line) = told.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["ask", name, hold_ms] => hands.ask(name, Duration::from_millis(number(hold_ms))).await,
            ["storm", rounds, seed] => hands.storm(number(rounds), number(seed)).await,
            ["crowd", tasks] => crowd = Some(hands.crowd(number(tasks))),
            ["enough"] => crowd.take().expect("a crowd was asked for").disperses().await,
            ["stats"] => println!("stats {:?}", hands.client.stats()),
            ["end"] => {
                hands.client.shutdown(Duration::from_secs(5)).await;
                return;
            }
            _ => panic!("what is `{line}`?"),
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[derive(Clone)]
struct Hands {
    client: Client,
    ledger: String,
    key: String,
}

/// Tasks that take the key over and over.
struct Crowd {
    enough: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Hands {
    /// Stands in line when it returns, before all who are told to later; and holds for a while when it is served.
    async fn ask(&self, name: &str, hold: Duration) {
        let (request, name) = (self.client.lock(self.key.as_str()).wait_forever(), name.to_owned());
        let (ledger, key) = (Ledger::at(&self.ledger), self.key.clone());
        let asks = async move {
            let body = async {
                let fence = current().expect("inside a body").fence();
                let _inside = ledger.enter(&key, fence);
                println!("served {name} {fence}");
                // Holding the lock is what this body is for.
                tokio::time::sleep(hold).await;
            };
            match request.run(body).await {
                Ok(()) => println!("left {name}"),
                Err(error) => println!("failed {name}: {error}"),
            }
        };
        drop(spawn_polled(asks).await);
    }

    /// Asks again and again, and drops most of it: before the first poll, while it waits, or when it is inside.
    async fn storm(&self, rounds: u64, seed: u64) {
        let served = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..STORM_TASKS)
            .map(|task| {
                let (hands, served) = (self.clone(), Arc::clone(&served));
                tokio::spawn(async move {
                    let mut chance = Chance(seed * STORM_TASKS + task + 1);
                    for _ in 0..rounds {
                        let patience = Duration::from_micros(chance.below(6000));
                        let hold = Duration::from_micros(chance.below(2000));
                        // Dropped when the time is up, wherever it is.
                        let _ = tokio::time::timeout(patience, hands.strike(&served, hold)).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic in the storm");
        }
        println!("calm {}", served.load(Ordering::SeqCst));
    }

    async fn strike(&self, served: &AtomicU64, hold: Duration) {
        let body = async {
            let _inside = Ledger::at(&self.ledger).enter(&self.key, current().expect("inside a body").fence());
            served.fetch_add(1, Ordering::SeqCst);
            // Holding the lock is what this body is for.
            tokio::time::sleep(hold).await;
        };
        self.client.lock(self.key.as_str()).wait_forever().run(body).await.expect("it is served or dropped");
    }

    fn crowd(&self, tasks: u64) -> Crowd {
        let enough = Arc::new(AtomicBool::new(false));
        let hand = |_| {
            let (hands, enough) = (self.clone(), Arc::clone(&enough));
            tokio::spawn(async move {
                let ledger = Ledger::at(&hands.ledger);
                while !enough.load(Ordering::SeqCst) {
                    let body = async { drop(ledger.enter(&hands.key, current().expect("inside a body").fence())) };
                    let request = hands.client.lock(hands.key.as_str()).wait_forever();
                    request.run(body).await.expect("its turn comes");
                }
            })
        };
        Crowd { tasks: (0..tasks).map(hand).collect(), enough }
    }
}

impl Crowd {
    async fn disperses(self) {
        self.enough.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("no panic in the crowd");
        }
        println!("dispersed");
    }
}

/// Numbers that look random and are the same for the same seed (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
