#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>")]
extern "C" fn pay(id: u64) -> u32 {
    0
}

fn main() {}
