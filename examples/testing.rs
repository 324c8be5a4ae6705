//! How do I test an annotated function without a server?
//!
//! ```sh
//! cargo test -p examples --example testing
//! ```
//!
//! Each test makes a client of its own on the store in memory, and runs the function in that client's scope. Tests that
//! run side by side never meet, and none of them has to install a client. A task that is spawned, as `axum::serve`
//! spawns one for each connection, inherits no scope: give it one, with the client of `Client::current()`.
//!
//! What becomes of an error needs no lock: `LockError::busy("job", waited)`, `LockError::lost("job", reason)` and the
//! like make each by hand. For a loss in earnest: a shutdown without grace is `Shutdown`; `max_hold` is `MaxHold`; a
//! body that blocks its thread past the ttl is `Expired`; and one whose key is deleted in Redis is `Stolen`.
//!
//! **A paused clock** (`start_paused`, `tokio::time::pause`) runs on when nothing is left to do. It is kept still while
//! a call awaits an answer, and for a moment while it awaits a holder, so that `timeout(.., call)` times out no call
//! that is served. But leases, `wait`, `max_hold` and `min_hold` go by real time: `advance` expires no lease, and a
//! time-out by the paused clock comes before a `max_hold`.

use lock_runtime::{LockError, distributed_lock};

/// The code under test: it names no client, as most code does.
#[distributed_lock(key = "invoice:<id>", ttl = "30s")]
async fn send_invoice(id: u64, outbox: &mut Vec<u64>) -> Result<(), LockError> {
    outbox.push(id);
    tokio::task::yield_now().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    lock_runtime::init("memory://").await?;
    let mut outbox = Vec::new();
    send_invoice(7, &mut outbox).await?;
    println!("sent: {outbox:?}");
    println!("this example is about its tests; run them with: cargo test -p examples --example testing");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::time::Duration;

    use lock_runtime::{Client, LossReason, Released};

    use super::*;

    type TestResult = Result<(), Box<dyn Error>>;

    #[tokio::test]
    async fn an_invoice_is_sent() -> TestResult {
        let client = Client::connect("memory://").await?;
        let mut outbox = Vec::new();
        client.scope(send_invoice(7, &mut outbox)).await?;
        assert_eq!(outbox, [7]);
        assert_eq!((client.stats().acquired, client.stats().held), (1, 0)); // and the lock was released
        Ok(())
    }

    #[tokio::test]
    async fn an_invoice_that_somebody_else_sends_is_left_to_them() -> TestResult {
        let client = Client::connect("memory://").await?;
        let _somebody_else = client.lock("invoice:7").acquire().await?;
        let mut outbox = Vec::new();
        let outcome = client.scope(send_invoice(7, &mut outbox)).await;
        assert!(matches!(outcome, Err(LockError::Busy { .. })), "{outcome:?}");
        assert!(outbox.is_empty());
        Ok(())
    }

    /// Two clients of one named store stand for two processes.
    #[tokio::test]
    async fn another_process_may_go_on_as_soon_as_the_first_is_done() -> TestResult {
        let ours = Client::connect("memory://another_process").await?;
        let theirs = Client::connect("memory://another_process").await?;
        let guard = theirs.lock("invoice:7").acquire().await?;
        let mut outbox = Vec::new();
        assert!(ours.scope(send_invoice(7, &mut outbox)).await.is_err());
        assert_eq!(guard.release().await?, Released::Freed);
        ours.scope(send_invoice(7, &mut outbox)).await?;
        assert_eq!(outbox, [7]);
        Ok(())
    }

    /// A loss can be brought about by a shutdown without grace.
    #[tokio::test]
    async fn a_body_that_loses_its_lock_is_dropped() -> TestResult {
        let client = Client::connect("memory://").await?;
        let endless = client.lock("invoice:7").run(std::future::pending::<()>());
        let shutdown = async {
            tokio::task::yield_now().await; // the body has begun
            client.shutdown(Duration::ZERO).await
        };
        let (outcome, report) = tokio::join!(endless, shutdown);
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Shutdown, .. })), "{outcome:?}");
        assert_eq!((report.lost, report.left.len()), (1, 0));
        Ok(())
    }

    #[tokio::test]
    async fn without_a_client_nothing_runs() {
        let mut outbox = Vec::new();
        let outcome = send_invoice(7, &mut outbox).await;
        assert!(matches!(outcome, Err(LockError::NotConfigured { .. })), "{outcome:?}");
        assert!(outbox.is_empty());
    }
}
