use futures::executor::block_on;

use super::*;
use crate::api::client::Client;
use crate::store::{
    Acquired, Ask, Look, Release, Renewal, Renewed, Session, Store, StoreError, StoreErrorKind, StoreFuture,
};

fn guard() -> LockGuard {
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    block_on(client.lock("job").acquire()).expect("free")
}

#[test]
fn a_guard_answers_what_its_lease_answers() {
    let guard = guard();
    let lease = guard.lease();
    assert_eq!((guard.key(), guard.fence()), (lease.key(), lease.fence()));
    assert!(guard.is_held() && lease.is_held());
    assert!(guard.remaining() >= lease.remaining() && lease.remaining() > Duration::ZERO);
    block_on(guard.release()).expect("memory answers");
    assert!(!lease.is_held() && lease.remaining() == Duration::ZERO);
}

/// `let lost = guard.lost()` and then `guard.release()`.
#[test]
fn awaiting_a_loss_borrows_no_guard() {
    let guard = guard();
    let lost = guard.lost();
    drop(guard);
    assert_eq!(futures::FutureExt::now_or_never(lost), None);
}

/// Grants every lock and refuses all else.
#[derive(Debug, Clone)]
struct Grants;

fn refused<T: Send + 'static>() -> StoreFuture<Result<T, StoreError>> {
    Box::pin(std::future::ready(Err(StoreError::new(StoreErrorKind::Refused, "no permission"))))
}

impl Store for Grants {
    fn identity(&self) -> &'static str {
        "grants"
    }

    fn session(&self) -> Option<Arc<dyn Session>> {
        Some(Arc::new(Self))
    }

    fn open(&self) -> StoreFuture<Result<Arc<dyn Session>, StoreError>> {
        Box::pin(async { Ok(Arc::new(Self) as Arc<dyn Session>) })
    }
}

impl Session for Grants {
    fn acquire(&self, _: Ask) -> StoreFuture<Result<Acquired, StoreError>> {
        Box::pin(async { Ok(Acquired::granted(1)) })
    }

    fn look(&self, _: Look) -> StoreFuture<Result<Acquired, StoreError>> {
        refused()
    }

    fn renew(&self, batch: Vec<Renewal>) -> StoreFuture<Vec<Result<Renewed, StoreError>>> {
        let refused = || StoreError::new(StoreErrorKind::Refused, "no permission");
        Box::pin(async move { batch.iter().map(|_| Err(refused())).collect() })
    }

    fn release(&self, _: Release) -> StoreFuture<Result<Released, StoreError>> {
        refused()
    }

    fn is_open(&self) -> bool {
        true
    }
}

#[test]
fn an_error_says_what_was_asked_of_the_store() {
    let builder = Client::builder().operation_timeout(Duration::from_millis(100));
    let client = block_on(builder.connect_store(Grants)).expect("it is there");
    let guard = block_on(client.lock("job").acquire()).expect("it grants");
    let renewed = block_on(guard.renew(Duration::from_secs(60))).expect_err("it refuses");
    assert_eq!(renewed.to_string(), "failed to renew lock `job`: the store is unavailable");
    let released = block_on(guard.release()).expect_err("it refuses");
    assert_eq!(released.to_string(), "failed to release lock `job`: the store is unavailable");
}
