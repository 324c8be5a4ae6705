//! Blocks of fences.

use crate::store::Names;

/// Fences that the store reserved for one lease: one for each local holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fences {
    pub first: u64,
    /// How many there are after the first.
    pub spare: u32,
}

impl Fences {
    pub fn block(first: u64, count: u32) -> Self {
        Self { first, spare: count.saturating_sub(1) }
    }

    /// Those after the first, if there are any.
    pub fn after_first(self) -> Option<Self> {
        let spare = self.spare.checked_sub(1)?;
        Some(Self { first: self.first + 1, spare })
    }

    /// Shows its names.
    pub fn show_names(&mut self, names: &mut impl Names) {
        names.fence(&mut self.first);
    }
}
