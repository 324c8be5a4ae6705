use lock_runtime::distributed_lock;

// As of a crate that nobody here can add `From<LockError>` to.
type Foreign = std::fmt::Error;

#[distributed_lock(key = "job")]
async fn pay() -> Result<(), Foreign> {
    Ok(())
}

#[distributed_lock(key = "job", or_else = |_| Err(std::fmt::Error))]
async fn right() -> Result<(), Foreign> {
    Ok(())
}

fn main() {}
