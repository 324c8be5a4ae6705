#![allow(unused)]

use lock_runtime::{LockError, distributed_lock};

macro_rules! job {
    ($name:ident, $key:literal, $ttl:expr) => {
        #[distributed_lock(key = $key, ttl = $ttl)]
        async fn $name(id: u64) -> Result<(), LockError> {
            Ok(())
        }
    };
}

job!(first, "job:<idd>", "30");
job!(second, "job:{id.0}", 30);

fn main() {}
