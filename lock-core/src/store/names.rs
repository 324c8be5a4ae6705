//! Names: what two values may differ in and still be alike.
//!
//! Whoever compares states, as a model checker does, takes two for one if they differ only in the bits of their tokens,
//! the heights of their fences and the time of day. So each type with such names shows them all to a visitor, which may
//! replace them. Must stay true: every name that a value holds is shown. Absent on purpose: what becomes of a name.

use super::moment::Moment;
use super::token::Token;

/// Sees the names in a value, one by one, and may replace them.
pub trait Names {
    /// Who holds, waits or gives back.
    fn token(&mut self, token: &mut Token);
    /// A fence, or the first of a block.
    fn fence(&mut self, fence: &mut u64);
    /// A point in time, which may be the first or the last of all.
    fn moment(&mut self, moment: &mut Moment);
    /// A reading of the store's clock, in microseconds.
    fn clock(&mut self, clock: &mut u64);
}
