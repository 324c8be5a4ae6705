use lock_runtime::{LockError, distributed_lock};

pub struct Path<T>(pub T);

#[distributed_lock(key = "job:<id>")]
async fn pay(id: Path<u64>) -> Result<(), LockError> {
    let _ = id;
    Ok(())
}

fn main() {}
