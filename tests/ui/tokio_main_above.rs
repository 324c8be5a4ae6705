#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[tokio::main]
#[distributed_lock(key = "job")]
async fn main() -> Result<(), LockError> {
    Ok(())
}
