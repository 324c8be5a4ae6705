#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

struct Order {
    id: u64,
}

#[distributed_lock(key = "order:<order.id>:<ammount>")]
async fn pay(Order { id }: Order, (amount, _): (u64, u64)) -> Result<(), LockError> {
    Ok(())
}

fn main() {}
