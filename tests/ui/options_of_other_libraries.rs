use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "a", timeout = "5s", expire = "30s", retry = 3, lease = "30s", pool = pool, period = "24h")]
async fn pay(id: u64) -> Result<(), LockError> {
    let _ = id;
    Ok(())
}

fn main() {}
