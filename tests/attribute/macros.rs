//! Functions that a `macro_rules` writes: literals arrive in invisible groups, names with another hygiene.

use lock_runtime::{LockError, distributed_lock};

use crate::{key, memory};

macro_rules! job {
    ($name:ident, $key:literal, $ttl:expr) => {
        #[distributed_lock(key = $key, ttl = $ttl, wait = "1s")]
        async fn $name(id: u64) -> Result<String, LockError> {
            let _ = id;
            Ok(key())
        }
    };
}

macro_rules! with_tokens {
    ($name:ident, $key:tt, $argument:ident: $ty:ty, $output:ty, $body:block) => {
        #[distributed_lock(key = $key)]
        async fn $name($argument: $ty) -> $output $body
    };
}

macro_rules! with_pattern {
    ($(#[$attribute:meta])* $visibility:vis $name:ident, $pattern:pat) => {
        $(#[$attribute])*
        $visibility async fn $name($pattern: (u64, u64)) -> Result<String, LockError> {
            Ok(key())
        }
    };
}

job!(angles, "job:<id>", "3s");
job!(braces, "job:{id:03}", std::time::Duration::from_secs(3));
job!(undoubled, "<<{id}>>", "3s");
with_tokens!(tokens, "job:<number>", number: u64, Result<String, LockError>, { let _ = number; Ok(key()) });
with_tokens!(more_tokens, "job:{number}", number: u64, Result<String, LockError>, { let _ = number; Ok(key()) });
with_pattern!(
    #[distributed_lock(key = "<a>/<b>")]
    patterns,
    (a, b)
);

#[tokio::test]
async fn literals_and_names_meet_through_macros() {
    let client = memory().await;
    assert_eq!(client.scope(angles(7)).await.expect("free"), "job:7");
    assert_eq!(client.scope(braces(7)).await.expect("free"), "job:007");
    assert_eq!(client.scope(undoubled(7)).await.expect("free"), "<7>");
    assert_eq!(client.scope(tokens(7)).await.expect("free"), "job:7");
    assert_eq!(client.scope(more_tokens(7)).await.expect("free"), "job:7");
    assert_eq!(client.scope(patterns((1, 2))).await.expect("free"), "1/2");
}
