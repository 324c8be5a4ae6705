//! How do at most so many of a fleet do something at once?
//!
//! ```sh
//! cargo run -p examples --example permits                           # in memory
//! cargo run -p examples --example permits redis://127.0.0.1:6379
//! ```
//!
//! A service elsewhere bears four calls at once, from all of us together. An export is as much work for it as three
//! calls, so it takes three of the four permits. Who waits stands in one queue: the export is not passed by calls that
//! would find room, or it would wait for ever.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lock_runtime::{Client, LockError, distributed_lock};
use tokio::task::JoinSet;
use tokio::time::sleep;

const PERMITS: u32 = 4;
const EXPORT: u32 = 3;
const CALLS: usize = 24;

/// The service, which knows how much it bears now, and the most that it ever did.
#[derive(Default)]
struct Service {
    load: AtomicU32,
    most: AtomicU32,
}

impl Service {
    async fn bear(&self, weight: u32) {
        let load = self.load.fetch_add(weight, Ordering::Relaxed) + weight;
        self.most.fetch_max(load, Ordering::Relaxed);
        sleep(Duration::from_millis(10)).await;
        self.load.fetch_sub(weight, Ordering::Relaxed);
    }
}

#[distributed_lock(key = "service", permits = PERMITS, wait = "10s", client = client)]
async fn call(client: &Client, service: &Service) -> Result<(), LockError> {
    service.bear(1).await;
    Ok(())
}

#[distributed_lock(key = "service", permits = PERMITS, weight = EXPORT, wait = "10s", client = client)]
async fn export(client: &Client, service: &Service) -> Result<(), LockError> {
    service.bear(EXPORT).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://permits".to_owned());
    // Two nodes, each with a client of its own, as in two processes.
    let nodes = [Client::connect(&url).await?, Client::connect(&url).await?];
    let service = Arc::new(Service::default());

    let mut calls = JoinSet::new();
    for (number, node) in (0..CALLS).zip(nodes.iter().cycle()) {
        let (node, service) = (node.clone(), Arc::clone(&service));
        calls.spawn(async move {
            if number == CALLS / 2 { export(&node, &service).await } else { call(&node, &service).await }
        });
    }
    for outcome in calls.join_all().await {
        outcome?;
    }
    let most = service.most.load(Ordering::Relaxed);
    println!("{} calls and an export: the service bore {most} at once at the most", CALLS - 1);
    assert!((EXPORT..=PERMITS).contains(&most));

    // By hand it is the same, and who does not wait is told that there is no room.
    let _export = nodes[0].lock("service").permits(PERMITS).weight(EXPORT).await?;
    let _call = nodes[1].lock("service").permits(PERMITS).await?;
    match nodes[1].lock("service").permits(PERMITS).await {
        Err(busy @ LockError::Busy { .. }) => println!("beside them: {busy}"),
        other => return Err(format!("a fifth came in: {other:?}").into()),
    }
    Ok(())
}
