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
use crate::api::settings::{Setting, StoreSettings};
use crate::store::redis::Unusable;
use crate::store::url::StoreUrl;
use crate::store::{Store, StoreError};

impl RedisStore {
    /// A store at a URL: `redis://`, `rediss://` (feature `tls` or `tls-no-provider`) or `redis+unix://`, with user,
    /// password and database number. Nothing is connected yet.
    ///
    /// With the feature `tls`, connections use ring, whatever the program has installed as its default cryptography
    /// provider. With `tls-no-provider` alone they use that default, and are refused while there is none. Neither
    /// installs one.
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
    /// If its URL is `rediss://`, the redis crate makes the TLS handshake, with the client's certificates and the
    /// process' default cryptography provider, whichever feature is on. While there is none, connections are refused:
    /// install one with `rustls::crypto::ring::default_provider().install_default()`, or use [`Self::from_url`].
    /// Without the features `tls` and `tls-no-provider` this is not looked at, and a redis crate that speaks TLS by
    /// features that the program set may panic.
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
    if settings.name_format.as_ref().is_some_and(|format| !format.contains("<namespace>")) {
        let fix = "write `<namespace>` in it, or leave one of them out";
        settings.refuse(&[Setting::Namespace], "this name_format", fix)?;
    }
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

    fn at(url: &str, settings: &StoreSettings) -> Result<String, ConnectError> {
        let url = StoreUrl::read(url).expect("a scheme");
        open(&url, settings).map(|store| store.identity().to_owned())
    }

    fn named(namespace: Option<&str>, format: Option<&str>) -> Option<String> {
        let (namespace, name_format) = (namespace.map(str::to_owned), format.map(str::to_owned));
        match at("redis://host", &StoreSettings { namespace, name_format, ..StoreSettings::new() }) {
            Ok(identity) => Some(identity),
            Err(ConnectError::InvalidOptions(text)) if text.starts_with("namespace has no effect") => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_namespace_beside_a_format_has_to_stand_in_it() {
        assert_eq!(named(None, None).as_deref(), Some("redis://host:6379/0#dlock"));
        assert_eq!(named(Some("app"), None).as_deref(), Some("redis://host:6379/0#app"));
        assert_eq!(named(None, Some("a/<key>")).as_deref(), Some("redis://host:6379/0#a/<key>"));
        assert_eq!(named(None, Some("<namespace>/<key>")).as_deref(), Some("redis://host:6379/0#dlock/<key>"));
        assert_eq!(named(Some("app"), Some("<namespace>/<key>")).as_deref(), Some("redis://host:6379/0#app/<key>"));
        assert_eq!(named(Some("app"), Some("a/<key>")), None);
    }

    #[test]
    fn the_cause_of_an_error_can_be_had() {
        let cause = ::redis::RedisError::from((::redis::ErrorKind::Client, "canary"));
        let error = StoreError::new(StoreErrorKind::Refused, "no").with_source(cause);
        assert!(redis_error(&error).is_some_and(|cause| cause.to_string().contains("canary")));
    }
}
