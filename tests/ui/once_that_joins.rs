use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "a", once = "24h", on_held = "join")]
async fn run() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
