use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(keys = ["a", "b"], once = "24h")]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
