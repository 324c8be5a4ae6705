use lock_runtime::{LockError, distributed_lock, distributed_lock as locked};

#[distributed_lock(key = "outer")]
#[locked(key = "inner")]
async fn pay() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
