//! Where random bits come from: the operating system.

use std::io;

/// 128 bits that nobody else has.
pub(crate) fn bits() -> io::Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u128::from_ne_bytes(bytes))
}
