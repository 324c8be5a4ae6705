//! How does a job on a timer run once a tick, although every node has the timer?
//!
//! ```sh
//! cargo run -p examples --example cron
//! cargo run -p examples --example cron redis://127.0.0.1:6379
//! ```
//!
//! Two nodes have the same timer, and the clock of the second is late. Whoever is first runs the job and keeps the key
//! for its `min_hold`, although the job is over at once; the other finds it busy and skips the tick. So `min_hold` is
//! more than the clocks differ by, and less than the time between two ticks.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lock_runtime::{Client, LockError, distributed_lock};
use tokio::time::{Instant, interval_at};

const TICKS: u32 = 6;
const BETWEEN: Duration = Duration::from_millis(500);
/// By how much the second node's clock is late.
const LATE: Duration = Duration::from_millis(60);

/// Says whether this node ran it.
#[distributed_lock(key = "cron:kept", min_hold = "250ms", on_busy = "skip", client = client)]
async fn kept(client: &Client, runs: &AtomicU32) -> Result<Option<()>, LockError> {
    runs.fetch_add(1, Ordering::Relaxed);
    Ok(Some(()))
}

/// The same without `min_hold`: when the second node asks, the job of the first is over, and its key is free.
#[distributed_lock(key = "cron:freed", on_busy = "skip", client = client)]
async fn freed(client: &Client, runs: &AtomicU32) -> Result<Option<()>, LockError> {
    runs.fetch_add(1, Ordering::Relaxed);
    Ok(Some(()))
}

/// How often the jobs ran on all nodes: with `min_hold`, and without.
#[derive(Default)]
struct Runs {
    kept: AtomicU32,
    freed: AtomicU32,
}

/// A node with its timer, for all ticks.
async fn node(client: &Client, begin: Instant, runs: &Runs) -> Result<(), LockError> {
    let mut timer = interval_at(begin, BETWEEN);
    for _ in 0..TICKS {
        timer.tick().await;
        kept(client, &runs.kept).await?;
        freed(client, &runs.freed).await?;
    }
    Ok(())
}

/// Both nodes, each with a client of its own, as in two processes.
async fn fleet(url: &str) -> Result<Runs, Box<dyn Error>> {
    let (first, second) = (Client::connect(url).await?, Client::connect(url).await?);
    let runs = Runs::default();
    let begin = Instant::now() + BETWEEN;
    tokio::try_join!(node(&first, begin, &runs), node(&second, begin + LATE, &runs))?;
    Ok(runs)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://cron".to_owned());
    let runs = fleet(&url).await?;
    let (kept, freed) = (runs.kept.into_inner(), runs.freed.into_inner());
    println!("two nodes, {TICKS} ticks: the job ran {kept} times with min_hold, {freed} times without it");
    Ok(())
}
