use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", min_hold = "1m", max_hold = "40s")]
async fn pay(id: u64) -> Result<(), LockError> {
    let _ = id;
    Ok(())
}

fn main() {}
