//! The URL of a store, as it comes from people, files and environments.
//!
//! It may hold a password, so it has no `Debug`, and nothing of it but its scheme is told to anybody.

/// A URL with a scheme, without white space around it, its scheme in lower case.
pub(crate) struct StoreUrl {
    text: String,
    scheme: usize,
}

impl StoreUrl {
    /// Reads a URL; `None` if it has no scheme.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(SEPARATOR)?;
        let text = [scheme.to_ascii_lowercase().as_str(), SEPARATOR, rest].concat();
        (!scheme.is_empty()).then_some(Self { text, scheme: scheme.len() })
    }

    pub(crate) fn scheme(&self) -> &str {
        &self.text[..self.scheme]
    }

    /// What stands behind the scheme.
    pub(crate) fn rest(&self) -> &str {
        &self.text[self.scheme + SEPARATOR.len()..]
    }

    #[cfg(feature = "redis")]
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

const SEPARATOR: &str = "://";

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String)> {
        StoreUrl::read(text).map(|url| (url.scheme().to_owned(), url.rest().to_owned()))
    }

    #[test]
    fn a_url_is_a_scheme_in_any_case_and_a_rest_that_stays() {
        for text in ["redis://Host/1", "REDIS://Host/1", " Redis://Host/1\r\n", "\tredis://Host/1\u{a0}"] {
            assert_eq!(parts(text), Some(("redis".to_owned(), "Host/1".to_owned())), "{text:?}");
        }
        assert_eq!(parts("memory://"), Some(("memory".to_owned(), String::new())));
        assert_eq!(parts("redis+unix:///a b"), Some(("redis+unix".to_owned(), "/a b".to_owned())));
    }

    #[test]
    fn what_has_no_scheme_is_no_url() {
        for text in ["", " ", "localhost:6379", "redis:/host", "://host", " ://"] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}
