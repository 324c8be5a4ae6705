use lock_neighbours::{blocks, runs_inner};
use lock_runtime::{LockError, distributed_lock};

#[runs_inner]
#[distributed_lock(key = "test:<pool>")]
async fn inner(pool: u64) -> Result<(), LockError> {
    Ok(())
}

#[blocks]
#[distributed_lock(key = "test")]
async fn body() -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "test")]
fn pay() -> Result<(), LockError> {
    async fn pay() -> Result<(), LockError> {
        Ok(())
    }
    run_test(pay)
}

fn main() {}
