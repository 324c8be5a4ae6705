use lock_neighbours::copies;
use lock_runtime::{LockError, distributed_lock};

#[copies]
#[distributed_lock(key = "job:<id>")]
async fn pay(id: u64) -> Result<(), LockError> {
    let _ = id;
    Ok(())
}

fn main() {}
