//! One holder at a time: many processes on few keys, and what faults must not change about it.

mod cancelled;
mod deadline;
mod election;
mod hammer;
mod stopped;
mod stranger;
mod ticks;
mod transfers;

use std::time::Duration;

use lock_runtime::Client;

/// Longer than anything here should take, shorter than a stuck test.
const SOON: Duration = Duration::from_secs(10);

async fn connect(url: &str) -> Client {
    Client::connect(url).await.expect("the store is there")
}

/// The name of a key in Redis.
fn name(key: &str) -> String {
    format!("dlock:{{{key}}}")
}
