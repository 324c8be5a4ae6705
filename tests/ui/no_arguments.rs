#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "report:<day>")]
async fn report() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
