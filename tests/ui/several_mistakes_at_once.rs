#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

#[distributed_lock(key = "job:<idd>:<", tll = "30s", wait = 5, on_busy = "skipp", renew = no)]
const fn pay(id: u64) {}

#[distributed_lock(key = "job:<idd>", ttl = "0s", min_hold = "2", max_hold = "1s")]
async fn refund(id: u64) {}

fn main() {}
