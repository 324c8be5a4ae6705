#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>", or_else = lock_runtime::log_and_skip)]
async fn pay(id: u64) -> u64 {
    id
}

fn main() {}
