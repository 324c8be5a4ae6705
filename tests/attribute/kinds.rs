//! Kinds of locks: whom a body runs beside.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::{LockError, OptionFault, distributed_lock};
use tokio::sync::Barrier;

use crate::{lease, memory};

#[distributed_lock(key = "config", mode = "shared", wait = "20s")]
async fn reads(all: &Barrier) -> Result<u64, LockError> {
    all.wait().await;
    Ok(lease().fence())
}

#[distributed_lock(key = "config", mode = "exclusive")]
async fn writes() -> Result<u64, LockError> {
    Ok(lease().fence())
}

#[distributed_lock(key = "api", permits = 2)]
async fn calls(all: &Barrier) -> Result<(), LockError> {
    all.wait().await;
    Ok(())
}

#[distributed_lock(key = "api", permits = permits, weight = weight)]
async fn calls_much(permits: u32, weight: u32) -> Result<(), LockError> {
    let _ = (permits, weight);
    Ok(())
}

#[tokio::test]
async fn readers_run_beside_each_other_and_no_writer_beside_them() {
    let (client, other) = (memory().await, Arc::new(Barrier::new(3)));
    let first = client.scope(writes()).await.expect("free");
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let all = Arc::clone(&other);
            tokio::spawn(client.scope(async move { reads(&all).await }))
        })
        .collect();
    while client.stats().held < 2 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(client.scope(writes()).await, Err(LockError::Busy { .. })));
    other.wait().await;
    for reader in readers {
        let fence = reader.await.expect("no reader panics").expect("its turn comes");
        assert!(fence > first);
    }
    client.scope(writes()).await.expect("all have left");
}

#[tokio::test]
async fn so_many_run_beside_each_other_as_there_are_permits() {
    let (client, all) = (memory().await, Arc::new(Barrier::new(3)));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let all = Arc::clone(&all);
            tokio::spawn(client.scope(async move { calls(&all).await }))
        })
        .collect();
    while client.stats().held < 2 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(client.scope(calls_much(2, 1)).await, Err(LockError::Busy { .. })));
    assert!(matches!(client.scope(calls_much(4, 3)).await, Err(LockError::Busy { .. })));
    client.scope(calls_much(4, 2)).await.expect("each brings its number along");
    all.wait().await;
    for caller in callers {
        caller.await.expect("no caller panics").expect("there was a permit");
    }
}

#[tokio::test]
async fn numbers_that_cannot_be_are_refused_at_run_time() {
    let client = memory().await;
    for (permits, weight, expected) in [
        (0, 1, OptionFault::NoPermits),
        (5, 0, OptionFault::NoWeight),
        (5, 6, OptionFault::WeightOverPermits { weight: 6, permits: 5 }),
    ] {
        match client.scope(calls_much(permits, weight)).await {
            Err(LockError::InvalidOptions { fault, .. }) => assert_eq!(fault, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[distributed_lock(key = "cache", wait = "20s")]
async fn loads(all: Arc<Barrier>) -> Result<u64, LockError> {
    let fence = lease().fence();
    lease().downgrade().await?;
    all.wait().await;
    assert_eq!(lease().fence(), fence);
    Ok(fence)
}

#[tokio::test]
async fn a_body_lets_readers_in_when_it_has_written() {
    #[distributed_lock(key = "cache", mode = "shared", wait = "20s")]
    async fn reads(all: Arc<Barrier>) -> Result<u64, LockError> {
        all.wait().await;
        Ok(lease().fence())
    }
    let (client, all) = (memory().await, Arc::new(Barrier::new(2)));
    let writer = tokio::spawn(client.scope(loads(Arc::clone(&all))));
    while client.stats().held < 1 {
        tokio::task::yield_now().await;
    }
    let reader = client.scope(reads(Arc::clone(&all))).await.expect("beside the writer that was");
    assert!(writer.await.expect("no panic").expect("free") < reader);
    drop(client.lock("cache").acquire().await.expect("both have left"));
}

#[tokio::test]
async fn what_is_gone_cannot_be_downgraded() {
    let client = memory().await;
    let guard = client.lock("cache").ttl(Duration::from_millis(50)).renew(false).acquire().await.expect("free");
    let lease = guard.lease();
    lease.lost().await;
    assert!(matches!(guard.downgrade().await, Err(LockError::Lost { .. })));
    assert!(matches!(lease.downgrade().await, Err(LockError::Lost { .. })));
    let permit = client.lock("api").permits(1).acquire().await.expect("free").downgrade().await.expect("it stays one");
    assert!(client.lock("api").shared().acquire().await.is_err());
    drop(permit);
}
