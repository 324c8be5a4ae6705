//! The names in a key's state: those of the store, and the numbers of calls.

use super::ids::Number;
use crate::store::Names;

/// See the module.
pub trait CallNames: Names {
    fn number(&mut self, number: &mut Number);
}
