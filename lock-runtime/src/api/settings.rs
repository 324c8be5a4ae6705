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

/// A setting that not every store has a use for.
#[derive(Clone, Copy)]
pub(crate) enum Setting {
    Namespace,
    NameFormat,
    Nodelay,
    RootCertificates,
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
        self.namespace.as_deref().unwrap_or("dlock")
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let given = self.operation_timeout;
        if (SHORTEST_OPERATION..=LONGEST_OPERATION).contains(&given) {
            return Ok(());
        }
        Err(ConnectError::InvalidOptions(format!("operation_timeout {given:?} is out of bounds; give it 50ms to 5s")))
    }

    /// Refuses each of these settings that was set, since it would have no effect on such a store.
    pub(crate) fn refuse(&self, settings: &[Setting], on: &str, fix: &str) -> Result<(), ConnectError> {
        match settings.iter().find_map(|setting| self.set(*setting)) {
            Some(name) => Err(ConnectError::InvalidOptions(format!("{name} has no effect on {on}; {fix}"))),
            None => Ok(()),
        }
    }

    /// The setting's name, if it was set.
    fn set(&self, setting: Setting) -> Option<&'static str> {
        match setting {
            Setting::Namespace => self.namespace.is_some().then_some("namespace"),
            Setting::NameFormat => self.name_format.is_some().then_some("name_format"),
            Setting::Nodelay => self.nodelay.is_some().then_some("nodelay"),
            Setting::RootCertificates => self.root_certificates.is_some().then_some("root_certificates"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Setting; 4] = [Setting::Namespace, Setting::NameFormat, Setting::Nodelay, Setting::RootCertificates];

    /// Each setting with what it looks like once it was set to its default value, if there is one.
    fn each_set() -> [(Setting, StoreSettings); 4] {
        let unset = StoreSettings::new;
        ALL.map(|setting| match setting {
            Setting::Namespace => (setting, StoreSettings { namespace: Some("dlock".to_owned()), ..unset() }),
            Setting::NameFormat => (setting, StoreSettings { name_format: Some("<key>".to_owned()), ..unset() }),
            Setting::Nodelay => (setting, StoreSettings { nodelay: Some(false), ..unset() }),
            Setting::RootCertificates => {
                (setting, StoreSettings { root_certificates: Some(RootCertificates(Vec::new())), ..unset() })
            }
        })
    }

    #[test]
    fn a_setting_is_refused_if_it_was_set_whatever_to() {
        let names = ["namespace", "name_format", "nodelay", "root_certificates"];
        for ((setting, settings), name) in each_set().into_iter().zip(names) {
            let text = match settings.refuse(&[setting], "that store", "leave it out") {
                Err(ConnectError::InvalidOptions(text)) => text,
                other => panic!("{other:?}"),
            };
            assert_eq!(text, format!("{name} has no effect on that store; leave it out"));
            assert!(StoreSettings::new().refuse(&[setting], "any", "").is_ok());
        }
    }

    #[test]
    fn a_setting_that_has_an_effect_is_not_refused() {
        for (n, (_, settings)) in each_set().into_iter().enumerate() {
            let others: Vec<_> = ALL.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, setting)| *setting).collect();
            assert!(settings.refuse(&others, "that store", "").is_ok());
        }
    }

    #[test]
    fn certificates_are_not_shown() {
        let settings = StoreSettings { root_certificates: Some(RootCertificates(vec![7; 3])), ..StoreSettings::new() };
        assert!(format!("{settings:?}").contains("3 bytes"));
    }
}
