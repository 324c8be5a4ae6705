//! What a store says when it could not do what it was asked.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::cause::Cause;

/// A store could not do what it was asked, or nobody knows whether it did.
///
/// ```
/// use lock_runtime::store::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Unready, "the server is loading its data");
/// assert_eq!(error.to_string(), "the server is loading its data");
/// ```
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    cause: Cause,
}

/// By what is said; what caused it is no part of it.
impl PartialEq for StoreError {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.message) == (other.kind, &other.message)
    }
}

impl Eq for StoreError {}

impl Hash for StoreError {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind, &self.message).hash(state);
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.error()
    }
}

/// What to do about a [`StoreError`].
///
/// ```
/// use lock_runtime::store::{StoreError, StoreErrorKind};
///
/// fn is_worth_another_try(error: &StoreError) -> bool {
///     !matches!(error.kind(), StoreErrorKind::Refused)
/// }
/// # assert!(is_worth_another_try(&StoreError::new(StoreErrorKind::Unready, "full")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Use another session. The operation may have taken effect.
    Disconnected,
    /// Try again later through the same session: the store is full, busy or starting.
    Unready,
    /// Do not try again: a right is missing, the credentials are wrong, the key is something else.
    Refused,
    /// Nothing was executed: ask again at once, through the same session, if it is still wanted. A store says so
    /// instead of sending an operation a second time, behind what was sent in the meantime.
    NotExecuted,
}

impl StoreError {
    /// An error with a text that says what could not be done, lower case and without a full stop.
    ///
    /// ```
    /// use lock_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Refused, "the password is wrong");
    /// assert_eq!(error.kind(), StoreErrorKind::Refused);
    /// ```
    pub fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), cause: Cause::none() }
    }

    /// The same, with the error that caused it.
    ///
    /// ```
    /// use std::{error::Error, io};
    /// use lock_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let cause = io::Error::from(io::ErrorKind::BrokenPipe);
    /// let error = StoreError::new(StoreErrorKind::Disconnected, "the connection ended").with_source(cause);
    /// assert!(error.source().is_some());
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Cause::new(source);
        self
    }

    /// Nothing came back in time.
    #[doc(hidden)]
    pub fn no_answer() -> Self {
        Self::new(StoreErrorKind::Disconnected, "the store did not answer in time")
    }

    /// What to do about it.
    ///
    /// ```
    /// use lock_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Disconnected, "the connection ended");
    /// assert_eq!(error.kind(), StoreErrorKind::Disconnected);
    /// ```
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}
