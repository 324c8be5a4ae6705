#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[derive(Debug)]
struct PayError;

#[distributed_lock(key = "job:<id>")]
async fn pay(id: u64) -> Result<(), PayError> {
    Ok(())
}

fn main() {}
