#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<tenant>-<id>")]
async fn pay(tenant: String, id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
