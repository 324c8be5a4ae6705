//! Where random bits come from: the operating system, in portions, since each asks the kernel.
//!
//! Must stay true: no two calls get the same bits; a process that was forked off does not use what its parent has left.

use std::cell::RefCell;
use std::io;

/// How many numbers a thread gets at once.
const PORTION: usize = 16;
const NUMBER: usize = size_of::<u128>();

thread_local! {
    static REST: RefCell<Rest> = const { RefCell::new(Rest { of_process: 0, bytes: [0; PORTION * NUMBER], left: 0 }) };
}

/// What a thread has left of its portion.
struct Rest {
    of_process: u32,
    bytes: [u8; PORTION * NUMBER],
    left: usize,
}

/// 128 bits that nobody else has.
pub(crate) fn bits() -> io::Result<u128> {
    let process = std::process::id();
    REST.with_borrow_mut(|rest| rest.next(process, getrandom::fill))
        .map_err(|error| io::Error::other(error.to_string()))
}

impl Rest {
    fn next<E>(&mut self, process: u32, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<u128, E> {
        if self.left == 0 || self.of_process != process {
            self.left = 0;
            fill(&mut self.bytes)?;
            (self.left, self.of_process) = (PORTION, process);
        }
        self.left -= 1;
        let (at, mut number) = (self.left * NUMBER, [0; NUMBER]);
        number.copy_from_slice(&self.bytes[at..at + NUMBER]);
        Ok(u128::from_ne_bytes(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest() -> Rest {
        Rest { of_process: 0, bytes: [0; PORTION * NUMBER], left: 0 }
    }

    /// Fills with what no fill before had.
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
        let (mut rest, mut fills) = (rest(), 0);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 * PORTION {
            let number = rest.next(1, numbered(&mut fills)).expect("it is filled");
            assert!(seen.insert(number), "{number:x} came twice");
        }
    }

    #[test]
    fn a_forked_process_has_bits_of_its_own() {
        let (mut rest, mut fills) = (rest(), 0);
        rest.next(1, numbered(&mut fills)).expect("it is filled");
        let asked = rest.next(2, |_| Err(()));
        assert_eq!((asked, rest.next(1, |_| Err(()))), (Err(()), Err(())), "what was left is gone");
    }

    #[test]
    fn a_system_without_random_bits_is_an_error_each_time() {
        let mut rest = rest();
        assert_eq!((rest.next(1, |_| Err(7)), rest.next(1, |_| Err(8))), (Err(7), Err(8)));
    }
}
