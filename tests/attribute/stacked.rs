//! Several attributes on one function: the upper lock is the outer one.

use lock_runtime::{LockError, distributed_lock};
use tracing::instrument;

use crate::{is_free, key, memory};

#[distributed_lock(key = "outer:<a>")]
#[distributed_lock(key = format!("inner:{b} under {}", key()))]
async fn two(mut a: u64, b: u64) -> Result<String, LockError> {
    a += 1;
    Ok(format!("{} {a} {b}", key()))
}

#[tokio::test]
async fn the_upper_lock_is_taken_first() {
    let client = memory().await;
    assert_eq!(client.scope(two(1, 2)).await.expect("both free"), "inner:2 under outer:1 2 2");
    assert!(is_free(&client, "outer:1").await && is_free(&client, "inner:2 under outer:1").await);
}

#[distributed_lock(key = "outer", or_else = |_| "outer".to_owned())]
#[instrument]
#[lock_runtime::distributed_lock(key = "inner", or_else = |_| format!("inner under {}", key()))]
#[distributed_lock(key = "innermost", or_else = |_| format!("innermost under {}", key()))]
async fn three() -> String {
    key()
}

#[tokio::test]
async fn each_lock_answers_for_itself_and_the_upper_ones_are_held_until_then() {
    let client = memory().await;
    assert_eq!(client.scope(three()).await, "innermost");
    for (busy, answer) in [("outer", "outer"), ("inner", "inner under outer"), ("innermost", "innermost under inner")] {
        let _held = client.lock(busy).acquire().await.expect("released");
        assert_eq!(client.scope(three()).await, answer);
    }
    for key in ["outer", "inner", "innermost"] {
        assert!(is_free(&client, key).await, "{key}");
    }
}

struct Service {
    tenant: String,
}

#[async_trait::async_trait]
trait Job {
    async fn run(&self, pair: (u64, u64)) -> Result<String, LockError>;
}

#[async_trait::async_trait]
impl Job for Service {
    #[distributed_lock(key = "<self.tenant>")]
    #[distributed_lock(key = "<self.tenant>:<a>:<b>")]
    async fn run(&self, (a, mut b): (u64, u64)) -> Result<String, LockError> {
        b += a;
        Ok(format!("{} {b} {}", key(), self.tenant))
    }
}

#[tokio::test]
async fn under_async_trait_both_keys_name_what_the_patterns_bind() {
    let client = memory().await;
    let service = Service { tenant: "t".into() };
    assert_eq!(client.scope(service.run((1, 2))).await.expect("free"), "t:1:2 3 t");
    let _held = client.lock("t").acquire().await.expect("released");
    assert!(matches!(client.scope(service.run((1, 2))).await, Err(LockError::Busy { .. })));
}

macro_rules! forwarded {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        async fn $name() -> Result<String, LockError> {
            Ok(key())
        }
    };
}

forwarded!(
    #[distributed_lock(key = "outer")]
    #[distributed_lock(key = "inner")]
    through_a_macro
);

#[tokio::test]
async fn attributes_that_come_through_a_macro_are_seen() {
    assert_eq!(memory().await.scope(through_a_macro()).await.expect("free"), "inner");
}
