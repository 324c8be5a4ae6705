//! The attribute at run time: every option on both sides, every shape of function, and what it is used beside.
//!
//! Everything here is also proof that the expansion is quiet: the strictest lints of a user are errors.

#![deny(warnings, clippy::pedantic)]

mod beside;
mod keys;
mod kinds;
mod macros;
mod neighbours;
mod options;
mod outcomes;
mod ownership;
mod several;
mod shapes;
mod sizes;
mod stacked;

use lock_runtime::{Client, Lease, LockError};

/// A store of its own.
async fn memory() -> Client {
    Client::connect("memory://").await.expect("memory needs no server")
}

/// The lease under which the calling body runs.
fn lease() -> Lease {
    lock_runtime::current().expect("a body runs under a lease")
}

/// The key under which the calling body runs.
fn key() -> String {
    lease().key().as_str().to_owned()
}

/// Whether nobody holds the key.
async fn is_free(client: &Client, key: &str) -> bool {
    match client.lock(key).acquire().await {
        Ok(guard) => {
            guard.release().await.expect("memory answers");
            true
        }
        Err(LockError::Busy { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}
