//! What a failure becomes, by the return type.

use std::error::Error;
use std::fmt;
use std::io;

use lock_runtime::{FromLockError, LockError, distributed_lock};

use crate::memory;

type Aliased<T> = Result<T, LockError>;

#[derive(Debug)]
enum AppError {
    Lock(LockError),
    Number,
}

impl From<LockError> for AppError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

#[tokio::test]
async fn a_result_carries_the_failure_whatever_its_error_and_its_name() {
    #[distributed_lock(key = "job")]
    async fn own() -> Result<u8, LockError> {
        Ok(1)
    }
    #[distributed_lock(key = "job")]
    async fn aliased() -> Aliased<u8> {
        Ok(1)
    }
    #[distributed_lock(key = "job")]
    async fn boxed() -> Result<u8, Box<dyn Error + Send + Sync>> {
        Ok("1".parse()?)
    }
    #[distributed_lock(key = "job")]
    async fn any() -> anyhow::Result<u8> {
        Ok("1".parse()?)
    }
    #[distributed_lock(key = "job")]
    async fn inout() -> io::Result<u8> {
        Ok(1)
    }
    #[distributed_lock(key = "job")]
    async fn app() -> Result<u8, AppError> {
        Ok(1)
    }
    let client = memory().await;
    let all = || async { (own().await, aliased().await, boxed().await, any().await, inout().await, app().await) };
    let (own, aliased, boxed, any, inout, app) = client.scope(all()).await;
    assert!(own.is_ok() && aliased.is_ok() && boxed.is_ok() && any.is_ok() && inout.is_ok() && app.is_ok());

    let _held = client.lock("job").acquire().await.expect("free");
    let (own, aliased, boxed, any, inout, app) = client.scope(all()).await;
    assert!(matches!(own, Err(LockError::Busy { .. })));
    assert!(matches!(aliased, Err(LockError::Busy { .. })));
    assert!(boxed.expect_err("busy").is::<LockError>());
    assert!(any.expect_err("busy").is::<LockError>());
    assert_eq!(inout.expect_err("busy").kind(), io::ErrorKind::WouldBlock);
    assert!(matches!(app, Err(AppError::Lock(LockError::Busy { .. }))));
}

#[tokio::test]
async fn an_early_return_and_a_question_mark_leave_the_body_and_release_the_lock() {
    #[distributed_lock(key = "job")]
    async fn number(text: &str) -> Result<u8, AppError> {
        if text.is_empty() {
            return Ok(0);
        }
        let number = text.parse().map_err(|_| AppError::Number)?;
        tokio::task::yield_now().await;
        Ok(number)
    }
    let client = memory().await;
    assert_eq!(client.scope(number("")).await.expect("early"), 0);
    assert!(matches!(client.scope(number("x")).await, Err(AppError::Number)));
    assert_eq!(client.scope(number("7")).await.expect("free again"), 7);
}

#[tokio::test]
async fn a_type_of_ones_own_can_carry_the_failure() {
    #[derive(Debug, PartialEq)]
    enum Status {
        Done,
        Refused,
    }
    impl FromLockError for Status {
        fn from_lock_error(_: LockError) -> Self {
            Self::Refused
        }
    }
    #[distributed_lock(key = "job")]
    async fn locked() -> Status {
        Status::Done
    }
    let client = memory().await;
    assert_eq!(client.scope(locked()).await, Status::Done);
    assert_eq!(locked().await, Status::Refused, "no client is configured");
}

#[tokio::test]
async fn an_opaque_return_type_needs_no_name() {
    #[distributed_lock(key = "job")]
    async fn opaque(id: u64) -> Result<impl fmt::Display, AppError> {
        if id == 0 {
            Err(AppError::Number)?;
        }
        Ok(id)
    }
    let client = memory().await;
    assert_eq!(client.scope(opaque(3)).await.map(|shown| shown.to_string()).expect("free"), "3");
    assert!(client.scope(opaque(0)).await.is_err());
}

#[tokio::test]
async fn a_body_that_never_returns_is_a_body() {
    #[distributed_lock(key = "job", or_else = |error| panic!("refused: {error}"))]
    async fn never() -> ! {
        panic!("reached")
    }
    let client = memory().await;
    let panic = tokio::spawn(client.scope(never())).await.expect_err("it panics").into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"reached"));
}
