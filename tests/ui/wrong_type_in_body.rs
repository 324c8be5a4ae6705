#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>")]
async fn pay(id: u64) -> Result<u64, LockError> {
    if id == 0 {
        return Ok("none");
    }
    Ok(id.to_string())
}

fn main() {}
