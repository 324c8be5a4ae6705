//! How does a service stop without leaving locks behind?
//!
//! ```sh
//! cargo run -p examples --example shutdown                           # stop it with Ctrl-C or `kill`, or wait
//! cargo run -p examples --example shutdown redis://127.0.0.1:6379
//! ```

use std::error::Error;
use std::io;
use std::time::Duration;

use lock_runtime::{Client, LockError, distributed_lock};
use tokio::time::sleep;

/// How long jobs may go on after the signal.
const GRACE: Duration = Duration::from_millis(500);
/// Without a signal the example ends by itself.
const PATIENCE: Duration = Duration::from_secs(2);

#[distributed_lock(key = "shutdown:<kind>", ttl = "10s", wait = "forever", client = client)]
async fn job(client: &Client, kind: &str, takes: Duration) -> Result<(), LockError> {
    sleep(takes).await;
    Ok(())
}

/// A loop such as a service has: one job after the other, until the client shuts down.
async fn serve(client: Client, name: &'static str, kind: &'static str, takes: Duration) {
    let mut done = 0;
    loop {
        match job(&client, kind, takes).await {
            Ok(()) => done += 1,
            Err(LockError::ShuttingDown { .. }) => break println!("{name}: ends after {done} jobs"),
            Err(LockError::Lost { reason, .. }) => println!("{name}: lost its lock in mid-job: {reason}"),
            Err(error) => println!("{name}: tries again: {error}"),
        }
    }
}

#[cfg(unix)]
async fn signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok("Ctrl-C"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

#[cfg(not(unix))]
async fn signal() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    let client = Client::connect(&url).await?;

    let services = [
        tokio::spawn(serve(client.clone(), "quick", "mail", Duration::from_millis(100))),
        tokio::spawn(serve(client.clone(), "slow", "backup", Duration::from_secs(60))),
        tokio::spawn(serve(client.clone(), "waiting", "backup", Duration::from_secs(60))), // for slow's lock
    ];
    println!("serving; stop with Ctrl-C");
    let why = tokio::select! {
        signal = signal() => signal?,
        () = sleep(PATIENCE) => "nobody stopped it",
    };

    println!("{why}: jobs may go on for {GRACE:?}, no new ones begin");
    let report = client.shutdown(GRACE).await;
    println!("shut down: {} lost when the grace was over, {} left to their ttl", report.lost, report.left.len());
    for key in &report.left {
        println!("left: {key}");
    }
    for service in services {
        service.await?;
    }
    Ok(())
}
