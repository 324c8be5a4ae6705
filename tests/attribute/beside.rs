//! Beside other attributes.

use lock_runtime::{LockError, distributed_lock};
use tracing::instrument;

use crate::{key, memory};

#[distributed_lock(key = "test", client = memory().await)]
#[tokio::test]
async fn it_stands_above_tokio_test() -> Result<(), LockError> {
    assert_eq!(key(), "test");
    Ok(())
}

#[distributed_lock(key = "test", client = memory().await, or_else = |error| panic!("{error}"))]
#[tokio::test(flavor = "multi_thread")]
async fn it_stands_above_a_tokio_test_with_arguments() {
    assert_eq!(key(), "test");
}

#[instrument(skip(text), fields(length = text.len()))]
#[distributed_lock(key = "<id>:<text>")]
async fn instrumented_above(id: u64, text: String) -> Result<String, LockError> {
    drop(text);
    Ok(key())
}

#[distributed_lock(key = "<id>:<text>")]
#[instrument(skip(text), err)]
async fn instrumented_below(id: u64, text: String) -> Result<String, LockError> {
    drop(text);
    Ok(key())
}

#[tokio::test]
async fn tracing_stands_above_or_below() {
    let client = memory().await;
    assert_eq!(client.scope(instrumented_above(1, "a".into())).await.expect("free"), "1:a");
    assert_eq!(client.scope(instrumented_below(1, "b".into())).await.expect("free"), "1:b");
}

struct Service {
    tenant: String,
}

#[async_trait::async_trait]
trait Job {
    async fn above(&self, id: u64) -> Result<String, LockError>;
    async fn below(&self, pair: (u64, u64)) -> Result<String, LockError>;
}

#[async_trait::async_trait]
impl Job for Service {
    #[instrument(skip(self))]
    #[distributed_lock(key = "<self.tenant>:<id>")]
    async fn above(&self, id: u64) -> Result<String, LockError> {
        Ok(format!("{} {id}{}", key(), self.tenant))
    }

    #[distributed_lock(key = "<self.tenant>:<a>:<b>")]
    #[instrument(skip(self))]
    async fn below(&self, (a, b): (u64, u64)) -> Result<String, LockError> {
        Ok(format!("{} {a}{b}{}", key(), self.tenant))
    }
}

#[tokio::test]
async fn tracing_and_async_trait_stand_together() {
    let client = memory().await;
    let service = Service { tenant: "t".into() };
    assert_eq!(client.scope(service.above(1)).await.expect("free"), "t:1 1t");
    assert_eq!(client.scope(service.below((1, 2))).await.expect("free"), "t:1:2 12t");
}

mod main_function {
    use super::{LockError, distributed_lock, key, memory};

    #[distributed_lock(key = "main", client = memory().await)]
    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn main() -> Result<String, LockError> {
        Ok(key())
    }
}

#[test]
fn it_stands_above_tokio_main() {
    assert_eq!(main_function::main().expect("free"), "main");
}
