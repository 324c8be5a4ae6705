use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "a", permits = 3, once = "24h")]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
