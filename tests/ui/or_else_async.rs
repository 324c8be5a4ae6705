use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job", or_else = async |_| 0)]
async fn closure() -> u64 {
    1
}

#[distributed_lock(key = "job", or_else = |_| async { 0 })]
async fn block() -> u64 {
    1
}

async fn later(_: LockError) -> u64 {
    0
}

#[distributed_lock(key = "job", or_else = later)]
async fn path() -> u64 {
    1
}

fn main() {}
