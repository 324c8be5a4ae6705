//! How does a lock failure become an error of my own, and what do I do about each kind?
//!
//! ```sh
//! cargo run -p examples --example custom_error
//! ```

use std::error::Error;
use std::time::Duration;

use lock_runtime::{Client, LockError, LossReason, distributed_lock};
use tokio::time::sleep;

#[derive(Debug, thiserror::Error)]
enum PaymentError {
    #[error("the card was declined")]
    Declined,
    /// This is all that the attribute needs.
    #[error(transparent)]
    Lock(#[from] LockError),
}

#[distributed_lock(key = "payment:<id>", ttl = "200ms", max_hold = "400ms", client = client)]
async fn pay(client: &Client, id: u64, takes: Duration) -> Result<&'static str, PaymentError> {
    sleep(takes).await;
    if id == 13 { Err(PaymentError::Declined) } else { Ok("paid") }
}

/// What a web server would answer: a status and a text.
fn answer(outcome: &Result<&'static str, PaymentError>) -> (u16, String) {
    match outcome {
        Ok(text) => (200, (*text).to_owned()),
        Err(PaymentError::Declined) => (402, "your card was declined".to_owned()),
        Err(PaymentError::Lock(error)) => match error {
            // Refused, not failed: another request is paying this very bill. Nothing ran here.
            LockError::Busy { .. } => (409, "this payment is being made already".to_owned()),
            // The store cannot be asked. Nothing ran here, so that trying again is safe.
            LockError::Unavailable { .. } | LockError::ShuttingDown { .. } => (503, "try again in a moment".to_owned()),
            // The body ran for a while and was dropped where it awaited: look at what it has done before trying again.
            LockError::Lost { reason: LossReason::MaxHold, .. } => (504, "that took too long".to_owned()),
            LockError::Lost { reason, .. } => (500, format!("half-way: {reason}")),
            // A bug in this program: no client, a bad key or option, a call inside itself.
            bug => (500, bug.to_string()),
        },
    }
}

fn show(what: &str, outcome: &Result<&'static str, PaymentError>) {
    let (status, text) = answer(outcome);
    println!("{what:20} {status} {text}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect("memory://").await?;
    let soon = Duration::from_millis(10);

    show("paid", &pay(&client, 1, soon).await);
    show("declined", &pay(&client, 13, soon).await);

    let (first, second) = tokio::join!(pay(&client, 2, soon), pay(&client, 2, soon));
    show("two at once, one", &first);
    show("two at once, other", &second);

    show("too slow", &pay(&client, 3, Duration::from_secs(60)).await);

    // A server that nobody started; the client goes on trying to connect while calls fail.
    let nowhere =
        Client::builder().operation_timeout(Duration::from_millis(200)).connect_lazy("redis://127.0.0.1:1")?;
    let outcome = pay(&nowhere, 4, soon).await;
    show("no server", &outcome);
    if let Err(error) = outcome {
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            println!("{:20} because {source}", "");
            cause = source;
        }
    }
    Ok(())
}
