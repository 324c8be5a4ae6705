use std::sync::LazyLock;

use lock_runtime::{LockError, distributed_lock};

static NAME: LazyLock<String> = LazyLock::new(|| "job".to_owned());

#[distributed_lock(key = NAME)]
async fn pay() -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = *NAME)]
async fn right() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
