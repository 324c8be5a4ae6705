#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", ttl = 30)]
async fn pay(id: u64) -> Result<(), LockError> {
    Ok(())
}

// `pay` is known here: its own mistake is the only one reported.
async fn twice() -> Result<(), LockError> {
    pay(1).await?;
    pay(2).await
}

fn main() {}
