#![deny(deprecated)]

use std::pin::Pin;

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "rows")]
async fn rows() -> Result<impl Iterator<Item = u64>, LockError> {
    Ok([1, 2].into_iter())
}

#[distributed_lock(key = "later")]
async fn later() -> Result<Pin<Box<dyn Future<Output = u64> + Send>>, LockError> {
    Ok(Box::pin(async { 1 }))
}

#[allow(deprecated)]
#[distributed_lock(key = "allowed")]
async fn allowed() -> Result<impl Iterator<Item = u64>, LockError> {
    Ok([1, 2].into_iter())
}

fn main() {}
