use std::cell::RefCell;

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job")]
async fn count() -> Result<usize, LockError> {
    let list = RefCell::new(vec![1]);
    match list.borrow().len() {
        length => Ok(length),
    }
}

fn main() {}
