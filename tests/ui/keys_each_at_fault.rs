#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(keys = ["account:<form>", "<from><to>", 5, ""])]
async fn transfer(from: u64, to: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
