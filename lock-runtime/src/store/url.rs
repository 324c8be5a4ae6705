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

/// What is wrong with a text that stands where a URL should, if people are known to write it: what was copied along, or
/// was not replaced.
pub(crate) fn mistake(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let before = text.split(SEPARATOR).next().unwrap_or_default();
    if text.is_empty() {
        Some("it is empty; is the variable set that it comes from?")
    } else if text.starts_with(['"', '\'', '`']) || text.ends_with(['"', '\'', '`']) {
        Some("it stands in quotation marks; leave them out")
    } else if text.starts_with(['$', '%', '{', '<']) {
        Some("it is a name to be replaced by a URL, which nobody did")
    } else if text.contains(SEPARATOR) && before.contains('=') {
        Some("it begins with a name and `=`; leave both out")
    } else if text.contains(SEPARATOR) && before.contains(char::is_whitespace) {
        Some("something stands before it; leave that out")
    } else {
        None
    }
}

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
    fn what_was_copied_along_is_told() {
        for (text, said) in [
            ("", "empty"),
            (" \n", "empty"),
            ("\"redis://h\"", "quotation marks"),
            ("'redis://h'", "quotation marks"),
            ("redis://h'", "quotation marks"),
            ("REDIS_URL=redis://h", "begins with a name"),
            ("export REDIS_URL=redis://h", "begins with a name"),
            ("redis-cli -u redis://h", "stands before it"),
            ("${REDIS_URL}", "to be replaced"),
            ("$REDIS_URL", "to be replaced"),
            ("{{ redis_url }}", "to be replaced"),
            ("<redis url>", "to be replaced"),
        ] {
            assert!(mistake(text).is_some_and(|told| told.contains(said)), "{text:?}: {:?}", mistake(text));
        }
        for fine in ["redis://h", "memory://a b", "redis://:pa=ss@h", "redis://:p$%@h"] {
            assert_eq!(mistake(fine), None, "{fine}");
        }
    }

    #[test]
    fn what_has_no_scheme_is_no_url() {
        for text in ["", " ", "localhost:6379", "redis:/host", "://host", " ://"] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}
