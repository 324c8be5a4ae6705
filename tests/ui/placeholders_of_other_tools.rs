use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:#id")]
async fn spring(id: u64) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "job::id")]
async fn sql(id: u64) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "job:%id%")]
async fn percent(id: u64) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "job:${id}")]
async fn shell(id: u64) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "job:{{id}}")]
async fn mustache(id: u64) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "tenant:{tenant}:[id]")]
async fn brackets(tenant: u64, id: u64) -> Result<(), LockError> {
    Ok(())
}

// What is meant as text is an expression.
#[distributed_lock(key = concat!("job::", "id"))]
async fn text(id: u64) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
