//! What a builder was told about the store: what is set, and what has no effect where.

use std::fmt;
use std::time::Duration;

use crate::api::error::ConnectError;

/// How long one operation of the store may take at most, whatever is asked for.
const LONGEST_OPERATION: Duration = Duration::from_secs(5);
/// How long it must be allowed to take at least.
const SHORTEST_OPERATION: Duration = Duration::from_millis(50);

/// What a store is made with; `None` is not set.
#[derive(Debug, Clone)]
pub(crate) struct StoreSettings {
    pub(crate) namespace: Option<String>,
    pub(crate) name_format: Option<String>,
    pub(crate) operation_timeout: Duration,
    pub(crate) nodelay: Option<bool>,
    pub(crate) root_certificates: Option<RootCertificates>,
}

/// Not worth a page in a `Debug` output.
#[derive(Clone)]
pub(crate) struct RootCertificates(pub(crate) Vec<u8>);

impl fmt::Debug for RootCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl StoreSettings {
    pub(crate) fn new() -> Self {
        Self {
            namespace: None,
            name_format: None,
            operation_timeout: LONGEST_OPERATION,
            nodelay: None,
            root_certificates: None,
        }
    }

    /// The namespace that was set, or the default one.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("lock")
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let given = self.operation_timeout;
        if (SHORTEST_OPERATION..=LONGEST_OPERATION).contains(&given) {
            return Ok(());
        }
        Err(ConnectError::InvalidOptions(format!("operation_timeout {given:?} is out of bounds; give it 50ms to 5s")))
    }
}
