//! Which clock a store read, and what it showed.
//!
//! Must stay true: two readings say how much time lies between them only if they are of one clock. A store can have
//! several, as when another server takes the place of one that failed. Absent on purpose: our own clock, which a
//! [`Moment`](super::Moment) is of.

use std::fmt;

/// Names one clock among all that a store may ever read: 64 bits that no other of them has.
///
/// A server that starts anew may call its clock by another name; a server that takes another's place must. Sessions to
/// one server call its clock by the same name where they can: a client then knows more of how old a grant is, which it
/// heard over another session than it asked over.
///
/// ```
/// use lock_runtime::store::ClockId;
///
/// let (primary, replica) = (ClockId::from_bits(7), ClockId::from_bits(8));
/// assert_ne!(primary, replica);
/// assert_eq!(primary.bits(), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClockId(u64);

impl ClockId {
    /// A clock's name from 64 bits that no other clock has.
    ///
    /// ```
    /// use lock_runtime::store::ClockId;
    ///
    /// // The first digits of a server's run_id, for instance.
    /// let clock = ClockId::from_bits(0xda39_a3ee_5e6b_4b0d);
    /// assert_eq!(format!("{clock:?}"), "ClockId(da39a3ee5e6b4b0d)");
    /// ```
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, for a store to write down.
    ///
    /// ```
    /// use lock_runtime::store::ClockId;
    ///
    /// assert_eq!(ClockId::from_bits(7).bits(), 7);
    /// ```
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for ClockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClockId({:016x})", self.0)
    }
}

/// What a store's clock showed, and which clock that was.
///
/// Readings have no order, since those of two clocks have none.
///
/// ```
/// use lock_runtime::store::{ClockId, ClockReading};
///
/// let clock = ClockId::from_bits(7);
/// let (earlier, later) = (ClockReading::new(clock, 1_000_000), ClockReading::new(clock, 1_250_000));
/// assert_eq!(later.micros - earlier.micros, 250_000); // of one clock, so a quarter of a second
/// assert_eq!(later.of, clock);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ClockReading {
    /// Which clock.
    pub of: ClockId,
    /// In microseconds; from when they count is the clock's own affair.
    pub micros: u64,
}

impl ClockReading {
    /// That clock showed so many microseconds.
    ///
    /// ```
    /// use lock_runtime::store::{ClockId, ClockReading};
    ///
    /// let reading = ClockReading::new(ClockId::from_bits(7), 1_700_000_000_000_000);
    /// assert_eq!(reading.micros, 1_700_000_000_000_000);
    /// ```
    pub const fn new(of: ClockId, micros: u64) -> Self {
        Self { of, micros }
    }
}
