#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", or_else = "log_and_skip")]
async fn pay(id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
