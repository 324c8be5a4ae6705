//! For those who bring their own [`redis::Client`]: the one public module that speaks of the redis crate.
//!
//! ```no_run
//! use lock_runtime::Client;
//! use lock_runtime::redis::{RedisSettings, RedisStore, redis};
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let yours = redis::Client::open("redis://127.0.0.1:6379")?;
//! let store = RedisStore::from_client(yours, RedisSettings::default())?;
//! Client::builder().connect_store(store).await?.install()?;
//! # Ok(()) }
//! ```
//!
//! Absent on purpose: taking over a connection that others use. A store makes its own, since a command of somebody
//! else that blocks would hold up every renewal behind it.

use std::error::Error;
use std::sync::Arc;

/// The redis crate, in the version whose types this module takes and gives.
pub use ::redis;

pub use crate::store::redis::{RedisSettings, RedisStore};

use crate::store::StoreError;

/// The redis crate's error that caused a store's error, if it was one.
///
/// ```
/// use lock_runtime::redis::redis_error;
/// use lock_runtime::store::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Refused, "not caused by Redis");
/// assert!(redis_error(&error).is_none());
/// ```
pub fn redis_error(error: &StoreError) -> Option<&::redis::RedisError> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    shared.map_or_else(|| source.downcast_ref(), |shared| shared.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreErrorKind;

    #[test]
    fn the_cause_of_an_error_can_be_had() {
        let cause = ::redis::RedisError::from((::redis::ErrorKind::Client, "canary"));
        let error = StoreError::new(StoreErrorKind::Refused, "no").with_source(cause);
        assert!(redis_error(&error).is_some_and(|cause| cause.to_string().contains("canary")));
    }
}
