//! Clients of a server of the test's own, and bodies that say when they came and when they were dropped.
//!
//! Shared by the test targets that plant a fault and look at what becomes of a lock. Deliberately absent: faults.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lock_runtime::{Client, Lease, LockError, LockGuard, LossReason};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here should take, shorter than a stuck test.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// A ttl that ends within a test.
pub(crate) const TTL: Duration = Duration::from_secs(1);

pub(crate) async fn connect(url: &str) -> Client {
    Client::connect(url).await.expect("the store is there")
}

/// A client that gives an operation half a second.
pub(crate) async fn connect_impatient(url: &str) -> Client {
    let builder = Client::builder().operation_timeout(Duration::from_millis(500));
    builder.connect(url).await.expect("the store is there")
}

/// The name of a key in Redis.
pub(crate) fn name(key: &str) -> String {
    format!("dlock:{{{key}}}")
}

/// The lease under which the calling body runs.
pub(crate) fn lease() -> Lease {
    lock_runtime::current().expect("a body runs under a lease")
}

/// A visit of a body that stays until it is dropped.
pub(crate) struct Visit {
    entered: Option<oneshot::Receiver<u64>>,
    left: Left,
}

/// When somebody was dropped, if it was.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<Instant>>>);

/// Notes when it is dropped.
struct Leaving(Left);

impl Drop for Leaving {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl Visit {
    /// Comes back with its fence when the body is inside.
    pub(crate) async fn inside(&mut self) -> u64 {
        let entered = self.entered.take().expect("it is asked once");
        tokio::time::timeout(SOON, entered).await.expect("nobody hinders it").expect("it says so before it ends")
    }

    /// When the body was dropped; panics if it was not.
    pub(crate) fn left_at(&self) -> Instant {
        self.left.0.lock().unwrap_or_else(PoisonError::into_inner).expect("it was dropped")
    }
}

/// A body that says when it is inside and when it was dropped, and stays.
pub(crate) fn stays() -> (Visit, impl Future<Output = ()> + Send + 'static) {
    let (enters, entered) = oneshot::channel();
    let left = Left::default();
    let leaving = Leaving(left.clone());
    let body = async move {
        let _leaving = leaving;
        enters.send(lease().fence()).expect("the test waits for it");
        std::future::pending::<()>().await;
    };
    (Visit { entered: Some(entered), left }, body)
}

/// A body that stays under a lock of this ttl, in a task of its own, and runs already.
pub(crate) async fn staying(client: &Client, key: &str, ttl: Duration) -> (Visit, JoinHandle<Result<(), LockError>>) {
    let (mut visit, body) = stays();
    let run = tokio::spawn(client.lock(key).ttl(ttl).run(body));
    visit.inside().await;
    (visit, run)
}

/// For which reason a call was lost; panics if it was not, or does not end soon.
pub(crate) async fn loss_of(run: JoinHandle<Result<(), LockError>>) -> LossReason {
    match tokio::time::timeout(SOON, run).await.expect("it ends").expect("it does not panic") {
        Err(LockError::Lost { reason, .. }) => reason,
        other => panic!("not lost: {other:?}"),
    }
}

/// Comes back when something is so that no event announces, with a look every five milliseconds.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not so after {SOON:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Comes back when a guard was renewed once more: it has longer than a moment before.
pub(crate) async fn until_renewed(guard: &LockGuard) {
    let before = Mutex::new(guard.remaining());
    until("renewed", || {
        let (now, mut before) = (guard.remaining(), before.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(guard.is_held(), "lost instead of renewed");
        now > std::mem::replace(&mut *before, now)
    })
    .await;
}

/// Runs blocking code on a thread where it may block and where runtimes may be built.
pub(crate) async fn aside<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(code).await.expect("no panic there")
}
