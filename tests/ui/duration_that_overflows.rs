#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", max_hold = "99999999999999999999d")]
async fn pay(id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
