use std::sync::{LazyLock, OnceLock};

use lock_runtime::{Client, LockError, distributed_lock};

static LOCKS: LazyLock<Client> = LazyLock::new(|| Client::connect_lazy("memory://").expect("a URL"));
static SET_LATER: OnceLock<Client> = OnceLock::new();

#[distributed_lock(key = "job", client = LOCKS)]
async fn lazy() -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "job", client = SET_LATER)]
async fn set_later() -> Result<(), LockError> {
    Ok(())
}

struct Service {
    locks: Option<Client>,
}

impl Service {
    #[distributed_lock(key = "job", client = self.locks)]
    async fn pay(&self) -> Result<(), LockError> {
        Ok(())
    }
}

#[distributed_lock(key = "job", client = *LOCKS)]
async fn right() -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(key = "job", client = SET_LATER.get().expect("set at start-up"))]
async fn right_too() -> Result<(), LockError> {
    Ok(())
}

fn main() {}
