//! A body that ends by itself has released its lock when the call returns, whatever it ends with.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use lock_runtime::{Client, LockError, distributed_lock};

use crate::connect_watched;

#[derive(Debug, PartialEq, Clone)]
enum JobError {
    Failed(u32),

    Lock,
}

impl From<LockError> for JobError {
    fn from(_: LockError) -> Self {
        Self::Lock
    }
}

#[distributed_lock(key = "job", ttl = "30s", client = client)]
async fn job(client: &Client, outcome: Result<u32, u32>) -> Result<u32, JobError> {
    let value = outcome.map_err(JobError::Failed)?;
    tokio::task::yield_now().await;
    Ok(value)
}

#[distributed_lock(key = "job", ttl = "30s", client = client)]
async fn panics(client: &Client) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    panic!("at work");
}

lock_tests::on_every_store! {
    async fn a_value_comes_back_after_the_release(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        for n in 0..20 {
            assert_eq!(client.lock("job").run(async move { n }).await.expect("free"), n);
            assert!(!onlooker.sees("job"));
            assert_eq!(job(&client, Ok(n)).await, Ok(n));
            assert!(!onlooker.sees("job"));
        }
        assert_eq!(client.stats().release_failed, 0);
    }

    async fn a_question_mark_comes_back_after_the_release(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        assert_eq!(job(&client, Err(7)).await, Err(JobError::Failed(7)));
        assert!(!onlooker.sees("job"));
    }

    async fn a_panic_comes_back_unchanged_after_the_release(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let held = AssertUnwindSafe(panics(&client)).catch_unwind().await;
        let panic = held.expect_err("it panics");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"at work"));
        assert!(!onlooker.sees("job"));
        let task = tokio::spawn(client.lock("job").run(async { panic!("in a task") }));
        assert!(task.await.expect_err("it panics").is_panic());
        assert!(!onlooker.sees("job"));
        assert_eq!(client.stats().held, 0);
    }

    async fn a_guard_is_released_by_its_release(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let guard = client.lock("job").acquire().await.expect("free");
        assert!(onlooker.sees("job"));
        assert_eq!(guard.release().await.expect("the store answers"), lock_runtime::Released::Freed);
        assert!(!onlooker.sees("job"));
    }
}
