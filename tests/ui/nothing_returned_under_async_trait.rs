#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

struct Payments;

#[async_trait::async_trait]
trait Pay {
    async fn pay(&self, id: u64);
}

#[async_trait::async_trait]
impl Pay for Payments {
    #[distributed_lock(key = "job:<id>")]
    async fn pay(&self, id: u64) {}
}

fn main() {}
