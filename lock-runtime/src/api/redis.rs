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

#[cfg(fuzzing)]
#[doc(hidden)]
pub use crate::store::redis::fuzzing::read_any_reply;
pub use crate::store::redis::{RedisSettings, RedisStore};

use crate::api::error::ConnectError;
use crate::api::settings::StoreSettings;
use crate::store::redis::Unusable;
use crate::store::url::StoreUrl;
use crate::store::{Store, StoreError};

impl RedisStore {
    /// A store at a URL: `redis://`, `rediss://` (feature `tls`) or `redis+unix://`, with user, password and
    /// database number. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ConnectError::InvalidUrl`] and [`ConnectError::InvalidOptions`], whose texts hold no password.
    ///
    /// ```
    /// use lock_runtime::redis::{RedisSettings, RedisStore};
    ///
    /// let store = RedisStore::from_url("redis://:secret@db.internal/3", RedisSettings::default())?;
    /// assert!(!format!("{store:?}").contains("secret"));
    /// # Ok::<(), lock_runtime::ConnectError>(())
    /// ```
    #[allow(clippy::needless_pass_by_value)] // Settings are made for one store.
    pub fn from_url(url: &str, settings: RedisSettings) -> Result<Self, ConnectError> {
        let Some(url) = StoreUrl::read(url) else {
            return Err(ConnectError::InvalidUrl("it has no scheme; write redis://host:port".to_owned()));
        };
        Ok(Self::at_url(&url, &settings)?)
    }

    /// A store at the server of your own client. It makes connections of its own; of the client's settings it adds
    /// keepalive, a time-out for unacknowledged data and a library name where the client has none.
    ///
    /// # Errors
    /// [`ConnectError::InvalidOptions`].
    ///
    /// ```
    /// use lock_runtime::redis::{RedisSettings, RedisStore, redis};
    ///
    /// let yours = redis::Client::open("redis://127.0.0.1:6379")?;
    /// let store = RedisStore::from_client(yours, RedisSettings::default())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[allow(clippy::needless_pass_by_value)] // A client and settings are made for one store.
    pub fn from_client(client: ::redis::Client, settings: RedisSettings) -> Result<Self, ConnectError> {
        Ok(Self::of_client(&client, &settings)?)
    }
}

/// Makes the store of a URL whose scheme leads here.
pub(crate) fn open(url: &StoreUrl, settings: &StoreSettings) -> Result<Arc<dyn Store>, ConnectError> {
    let settings = RedisSettings {
        namespace: settings.namespace().to_owned(),
        name_format: settings.name_format.clone(),
        operation_timeout: settings.operation_timeout,
        nodelay: settings.nodelay,
        root_certificates: settings.root_certificates.as_ref().map(|pem| pem.0.clone()),
    };
    Ok(Arc::new(RedisStore::at_url(url, &settings)?))
}

impl From<Unusable> for ConnectError {
    fn from(fault: Unusable) -> Self {
        match fault {
            Unusable::Url(text) => Self::InvalidUrl(text),
            Unusable::Settings(text) => Self::InvalidOptions(text),
        }
    }
}

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
