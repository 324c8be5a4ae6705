//! What does the attribute do?
//!
//! ```sh
//! cargo run -p examples --example quickstart                           # in memory, no server
//! cargo run -p examples --example quickstart redis://127.0.0.1:6379    # on a server
//! ```

use std::error::Error;
use std::time::Duration;

use lock_runtime::{LockError, distributed_lock};
use tokio::time::sleep;

/// Only one process in the fleet is in here for a given `id`.
#[distributed_lock(key = "job:<id>", ttl = "30s")]
async fn run_job(id: u64, who: &str) -> Result<u64, LockError> {
    let lease = lock_runtime::current().expect("inside the body there is a lease");
    println!("{who}: holds {}, fence {}", lease.key(), lease.fence());
    sleep(Duration::from_millis(200)).await;
    println!("{who}: is done with job {id}");
    Ok(lease.fence())
}

/// Never ends by itself, but may hold its lock for half a second only.
#[distributed_lock(key = "report", ttl = "300ms", max_hold = "500ms")]
async fn write_endless_report() -> Result<(), LockError> {
    for page in 1.. {
        println!("report: writes page {page}");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    let client = lock_runtime::init(&url).await?; // once, at start-up

    println!("-- two callers want job 42 at once");
    let late = async {
        sleep(Duration::from_millis(50)).await;
        run_job(42, "second").await
    };
    let (first, second) = tokio::join!(run_job(42, "first"), late);
    let first = first?;
    match second {
        Err(error @ LockError::Busy { .. }) => println!("second: did not run: {error}"),
        other => return Err(format!("somebody was to hold job 42, yet: {other:?}").into()),
    }

    println!("-- the lock is released as soon as the body ends");
    let second = run_job(42, "second").await?;
    println!("second: its fence is greater than first's by {}", second - first);

    println!("-- another key is another lock");
    let (seven, eight) = tokio::join!(run_job(7, "first"), run_job(8, "second"));
    seven.and(eight)?;

    println!("-- a body that loses its lock is dropped where it awaits");
    match write_endless_report().await {
        Err(error @ LockError::Lost { .. }) => println!("report: was dropped: {error}"),
        other => return Err(format!("the report was to lose its lock, yet: {other:?}").into()),
    }

    let stats = client.stats();
    println!(
        "-- {} locks acquired, {} busy, {} lost, {} still held",
        stats.acquired, stats.busy, stats.lost, stats.held
    );
    Ok(())
}
