#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<id>")]
async fn pay(id: u64) -> Result<(), LockError> {
    let held = std::rc::Rc::new(id);
    std::future::ready(()).await;
    drop(held);
    Ok(())
}

fn assert_send<T: Send>(_: T) {}

fn main() {
    assert_send(pay(1));
}
