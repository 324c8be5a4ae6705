//! How is a job done once in a period by whoever of a fleet can, and tried again by another where it fails?
//!
//! ```sh
//! cargo run -p examples --example once
//! cargo run -p examples --example once redis://127.0.0.1:6379
//! ```
//!
//! Every node's timer fires, and each calls the job of the day. The first whose job succeeds says so to all: from then on
//! whoever asks is told that it is done, and nobody waits for the rest of the day. A job that fails says nothing, so that
//! the next one tries.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lock_runtime::{Client, LockError, distributed_lock};
use tokio::time::sleep;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error("the printer is out of paper")]
    NoPaper,
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Prints the report of a day, unless somebody does or did. It fails the first time.
#[distributed_lock(key = "report:<day>", ttl = "30s", once = DAY, wait = "10s", client = client)]
async fn report(client: &Client, day: &str, prints: &AtomicU32) -> Result<u32, ReportError> {
    sleep(Duration::from_millis(10)).await;
    match prints.fetch_add(1, Ordering::Relaxed) {
        0 => Err(ReportError::NoPaper),
        print => Ok(print),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://once".to_owned());
    // Three nodes, each with a client of its own, as in three processes.
    let nodes = [Client::connect(&url).await?, Client::connect(&url).await?, Client::connect(&url).await?];
    let (prints, day) = (AtomicU32::new(0), format!("2026-11-29 of process {}", std::process::id()));

    let [first, second, third] = nodes.each_ref().map(|node| report(node, &day, &prints));
    let outcomes: [_; 3] = tokio::join!(first, second, third).into();
    for outcome in &outcomes {
        match outcome {
            Ok(print) => println!("printed, by the attempt behind {print}"),
            Err(ReportError::NoPaper) => println!("failed: {}; the next one tries", ReportError::NoPaper),
            Err(ReportError::Lock(error)) => println!("not again: {error}"),
        }
    }
    let done = |outcome: &&Result<u32, ReportError>| matches!(outcome, Err(ReportError::Lock(LockError::Done { .. })));
    assert_eq!((outcomes.iter().filter(done).count(), prints.load(Ordering::Relaxed)), (1, 2));

    // By hand: a guard that is released says nothing, and one that is completed says that it is done.
    let import = || nodes[0].lock(format!("import of process {}", std::process::id())).once(DAY);
    import().await?.release().await?;
    import().await?.complete().await?;
    assert!(import().await.is_err_and(|error| error.is_done()));
    Ok(())
}
