#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[tokio::test]
#[distributed_lock(key = "job")]
async fn pay() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
