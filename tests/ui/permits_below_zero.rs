#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", permits = -1)]
async fn pay(id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
