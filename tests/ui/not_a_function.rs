#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>")]
struct Pay {
    id: u64,
}

fn main() {}
