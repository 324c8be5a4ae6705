//! The names in a key's state: those of the store, and the numbers of calls.

use super::ids::Number;
use crate::store::{Moment, Names};

/// See the module.
pub trait CallNames: Names {
    fn number(&mut self, number: &mut Number);
    /// A moment that nothing depends on: it is told to the caller, and that is all.
    fn told(&mut self, moment: &mut Moment);
}
