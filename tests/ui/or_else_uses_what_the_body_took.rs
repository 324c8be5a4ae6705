#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<name>", or_else = |_| name)]
async fn pay(name: String) -> String {
    name
}

fn main() {}
