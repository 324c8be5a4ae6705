//! Random bits from the operating system, fetched in portions, because each fetch is a system call.
//!
//! Must stay true: no two calls get the same bits. A forked process has a copy of its parent's memory, and so of what
//! is left of a portion; therefore a portion belongs to a session, which a forked process cannot use.

use std::io;
use std::sync::Mutex;

use crate::system::mutex::enter;

/// How many numbers are fetched at once.
const PORTION: usize = 32;
const NUMBER: usize = size_of::<u64>();

/// 128 bits that nobody else has, fetched for this call.
pub(crate) fn bits() -> io::Result<u128> {
    fetched().map(u128::from_ne_bytes)
}

/// 64 random bits, fetched for this call.
pub(crate) fn number() -> io::Result<u64> {
    fetched().map(u64::from_ne_bytes)
}

fn fetched<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Numbers that were fetched together.
#[derive(Debug, Default)]
pub(crate) struct Portion(Mutex<Unused>);

/// The unused part of a portion; not shown by `Debug`, because tokens are made of it.
#[derive(Default)]
struct Unused {
    bytes: [[u8; NUMBER]; PORTION],
    left: usize,
}

impl Portion {
    /// 64 bits that are no other token's of this client in this second.
    pub(crate) fn number(&self) -> io::Result<u64> {
        enter(&self.0).next(fill)
    }
}

impl Unused {
    fn next<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<u64, E> {
        if self.left == 0 {
            fill(self.bytes.as_flattened_mut())?;
            self.left = PORTION;
        }
        self.left -= 1;
        Ok(u64::from_ne_bytes(self.bytes[self.left]))
    }
}

impl std::fmt::Debug for Unused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unused").field("left", &self.left).finish_non_exhaustive()
    }
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills with bytes that no earlier fill had.
    fn numbered(fills: &mut u8) -> impl FnOnce(&mut [u8]) -> Result<(), ()> {
        |bytes| {
            *fills += 1;
            for (bytes, number) in bytes.chunks_mut(NUMBER).zip(0..) {
                bytes.fill(number);
                bytes[0] = *fills;
            }
            Ok(())
        }
    }

    #[test]
    fn no_bits_come_twice() {
        let (mut unused, mut fills) = (Unused::default(), 0);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 * PORTION {
            let number = unused.next(numbered(&mut fills)).expect("it is filled");
            assert!(seen.insert(number), "{number:x} came twice");
        }
        assert_eq!(fills, 3);
    }

    #[test]
    fn two_portions_share_nothing() {
        let portions = [Portion::default(), Portion::default()];
        let of = |portion: &Portion| portion.number().expect("this machine has random bits");
        let seen: std::collections::HashSet<u64> = (0..PORTION).flat_map(|_| portions.each_ref().map(of)).collect();
        assert_eq!(seen.len(), 2 * PORTION);
    }

    #[test]
    fn a_system_without_random_bits_is_an_error_each_time() {
        let mut unused = Unused::default();
        assert_eq!((unused.next(|_| Err(7)), unused.next(|_| Err(8))), (Err(7), Err(8)));
    }

    #[test]
    fn nobody_is_shown_what_tokens_will_be() {
        let portion = Portion::default();
        let first = portion.number().expect("this machine has random bits");
        assert_eq!(format!("{:?}", enter(&portion.0)), "Unused { left: 31, .. }");
        assert_ne!(first, 0);
    }
}
