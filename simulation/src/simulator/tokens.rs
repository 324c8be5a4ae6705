//! The tokens of a simulation: which process made which, and how a history shows them.

use lock_core::store::Token;

/// The token of this number of a process.
pub(super) fn token(process: usize, number: u128) -> Token {
    Token::from_bits((process as u128) << 100 | number << 40)
}

/// The process that made a token.
pub(super) fn owner(token: Token) -> usize {
    usize::try_from(token.bits() >> 100).unwrap_or(usize::MAX)
}

/// Its number among those of its process.
pub(super) fn number(token: Token) -> u128 {
    (token.bits() >> 40) & 0xfff_ffff
}

/// A token, as shown in a history.
pub(super) fn name(token: Token) -> String {
    format!("token {}.{}.{}", owner(token), number(token), token.bits() & 0xff)
}
