#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

trait Payments {
    #[distributed_lock(key = "job:<id>")]
    async fn pay(&self, id: u64) -> Result<(), LockError>;
}

fn main() {}
