//! Tokens: who holds a key.
//!
//! Must stay true: a token's successors differ from it in the random part alone, so that all of them say of whom and
//! since when they are. Absent on purpose: where the random bits, the time and the client's id come from.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::card::ClientId;

/// Says who holds a key: 128 bits, new for every acquisition, and a secret (who knows it can release).
///
/// The first 32 bits are the id of the client that asked, the next 32 the second in which it was asked for, since 1970,
/// and the last 64 are random. So whoever sees a token where a store keeps it can say whose it is and since when.
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

    /// A token of a client, asked for in that second since 1970, with random bits that nobody else has.
    ///
    /// ```
    /// use lock_runtime::store::{ClientId, Token};
    ///
    /// let token = Token::new(ClientId::from_bits(0xc0ffee), 1_790_000_000, 7);
    /// assert_eq!(format!("{:032x}", token.bits()), "00c0ffee6ab13b800000000000000007");
    /// ```
    pub const fn new(client: ClientId, second: u32, random: u64) -> Self {
        Self((client.bits() as u128) << 96 | (second as u128) << 64 | random as u128)
    }

    /// The client that asked for it.
    ///
    /// ```
    /// use lock_runtime::store::{ClientId, Token};
    ///
    /// let client = ClientId::from_bits(0xc0ffee);
    /// assert_eq!(Token::new(client, 1_790_000_000, 7).client(), client);
    /// ```
    #[allow(clippy::cast_possible_truncation)] // these bits are asked for
    pub const fn client(self) -> ClientId {
        ClientId::from_bits((self.0 >> 96) as u32)
    }

    /// The second in which it was asked for, by the clock of the client's machine.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use lock_runtime::store::{ClientId, Token};
    ///
    /// let token = Token::new(ClientId::from_bits(0xc0ffee), 1_790_000_000, 7);
    /// assert_eq!(token.asked_at(), UNIX_EPOCH + Duration::from_secs(1_790_000_000));
    /// ```
    pub fn asked_at(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs((self.0 >> 64) as u64 & u64::from(u32::MAX))
    }

    /// Something that is spread as evenly as tokens are: the random part.
    #[doc(hidden)]
    #[allow(clippy::cast_possible_truncation)] // these bits are asked for
    pub const fn seed(self) -> u64 {
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

    /// Another token of the same client and second, which nobody else has either: random parts are far apart.
    #[doc(hidden)]
    #[must_use]
    pub const fn successor(self) -> Self {
        let random = self.seed().wrapping_add(1);
        Self(self.0 >> 64 << 64 | random as u128)
    }
}

/// Shows no bit of the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientId = ClientId::from_bits(0xfedc_ba98);

    #[test]
    fn a_token_has_three_parts_and_shows_none() {
        let token = Token::new(CLIENT, 0x7654_3210, 0x0123_4567_89ab_cdef);
        assert_eq!(format!("{:032x}", token.bits()), "fedcba98765432100123456789abcdef");
        assert_eq!((token.client(), token.seed()), (CLIENT, 0x0123_4567_89ab_cdef));
        assert_eq!(token.asked_at(), SystemTime::UNIX_EPOCH + Duration::from_secs(0x7654_3210));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_successor_is_another_token_of_the_same_client_and_second() {
        for random in [0, 7, u64::MAX - 1, u64::MAX] {
            let (token, wrapped) = (Token::new(CLIENT, 9, random), random.wrapping_add(1));
            assert_eq!(token.successor(), Token::new(CLIENT, 9, wrapped), "{random}");
            assert_eq!(token.successor().asked_at(), token.asked_at());
        }
    }
}
