//! Tokens: who holds a key.

use std::fmt;

/// Says who holds a key: 128 random bits, new for every acquisition, and a secret (who knows it can release).
///
/// ```
/// use lock_runtime::store::Token;
///
/// let token = Token::from_bits(0xab);
/// assert_eq!(format!("{:032x}", token.bits()), format!("{:0>32}", "ab"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u128);

impl Token {
    /// A token from 128 bits that nobody else has.
    ///
    /// ```
    /// use lock_runtime::store::Token;
    ///
    /// assert_ne!(Token::from_bits(1), Token::from_bits(2));
    /// ```
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Something that is spread as evenly as tokens are.
    #[doc(hidden)]
    #[allow(clippy::cast_possible_truncation)] // half of a token is random enough
    pub fn seed(self) -> u64 {
        self.0 as u64
    }

    /// The bits, for a store to write down (as 32 hexadecimal digits, for instance).
    ///
    /// ```
    /// use lock_runtime::store::Token;
    ///
    /// assert_eq!(Token::from_bits(7).bits(), 7);
    /// ```
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Another token, which nobody else has either: random bits are far apart.
    #[doc(hidden)]
    #[must_use]
    pub const fn successor(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Shows no bit of the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
