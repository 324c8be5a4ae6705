//! Keys: what is locked, as text.
//!
//! A [`LockKey`] is any text; whether a store may see it is asked once, when a request is made of it.
//! Absent on purpose: namespaces and the names of keys in a store, which are the store's own affair.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

/// The longest key that is accepted, in bytes.
#[doc(hidden)]
pub const LONGEST_KEY: usize = 1024;

/// What is locked: a short text such as `job:42`, cheap to clone.
///
/// Any text makes a `LockKey`; one that no store should see (empty, over 1024 bytes, with control
/// characters) is refused by the acquire, as [`LockError::InvalidKey`](crate::LockError::InvalidKey).
///
/// ```
/// use lock_runtime::LockKey;
///
/// let key = LockKey::from(format!("job:{}", 42));
/// assert_eq!(key.as_str(), "job:42");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockKey(Arc<str>);

/// Why a key is not accepted.
///
/// ```
/// use lock_runtime::KeyFault;
///
/// assert_eq!(KeyFault::Empty.to_string(), "it is empty");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The key has no characters.
    #[error("it is empty")]
    Empty,
    /// The key has more than 1024 bytes.
    #[error("it is longer than {LONGEST_KEY} bytes")]
    TooLong,
    /// The key has a control character, such as a line feed or NUL.
    #[error("it has a control character")]
    ControlCharacter,
    /// A value's `Display` returned an error while the key was written.
    #[error("a value in it could not be displayed")]
    Undisplayable,
}

impl LockKey {
    /// The key's text.
    ///
    /// ```
    /// assert_eq!(lock_runtime::LockKey::from("report").as_str(), "report");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says why no store may see this key, if that is so.
    ///
    /// # Errors
    /// What is wrong with it.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), KeyFault> {
        if self.0.is_empty() {
            return Err(KeyFault::Empty);
        }
        if self.0.len() > LONGEST_KEY {
            return Err(KeyFault::TooLong);
        }
        if self.0.chars().any(char::is_control) {
            return Err(KeyFault::ControlCharacter);
        }
        Ok(())
    }
}

/// The text with control characters escaped, cut after 80 characters: fit for a log line.
impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        let mut rest = self.0.chars();
        for c in rest.by_ref().take(SHOWN) {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        if rest.next().is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

impl fmt::Debug for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockKey({self})")
    }
}

impl AsRef<str> for LockKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for LockKey {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for LockKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for LockKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&String> for LockKey {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

impl From<Cow<'_, str>> for LockKey {
    fn from(text: Cow<'_, str>) -> Self {
        Self(text.into())
    }
}

impl From<&LockKey> for LockKey {
    fn from(key: &LockKey) -> Self {
        key.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_1024_bytes_is_the_longest() {
        assert_eq!(LockKey::from("x".repeat(1024)).check(), Ok(()));
        assert_eq!(LockKey::from("x".repeat(1025)).check(), Err(KeyFault::TooLong));
    }

    #[test]
    fn empty_keys_and_control_characters_are_refused() {
        assert_eq!(LockKey::from("").check(), Err(KeyFault::Empty));
        for text in ["a\nb", "\0", "a\u{7f}", "\u{85}"] {
            assert_eq!(LockKey::from(text).check(), Err(KeyFault::ControlCharacter));
        }
        assert_eq!(LockKey::from(" ä{}:*").check(), Ok(()));
    }

    #[test]
    fn display_escapes_and_cuts() {
        assert_eq!(LockKey::from("a\nb").to_string(), "a\\nb");
        assert_eq!(LockKey::from("x".repeat(90)).to_string(), "x".repeat(80) + "…");
    }
}
