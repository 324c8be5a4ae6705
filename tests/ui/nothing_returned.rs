#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>")]
async fn pay(id: u64) {
    let _ = id;
}

fn main() {}
