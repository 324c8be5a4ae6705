#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

struct Order {
    lines: Vec<u64>,
}

#[distributed_lock(key = "order:<order.lines>")]
async fn pay(order: Order) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
