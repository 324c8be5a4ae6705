#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "orders:<orders>")]
async fn pay(orders: &std::collections::HashMap<u64, String>) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
