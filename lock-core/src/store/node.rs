//! Which server of a store.
//!
//! Absent on purpose: how many there are, and which of them keeps a key; every store so far leads to one.

/// One server among those of a store, numbered by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

impl NodeId {
    /// The only one of a store that has no more.
    pub const ONLY: Self = Self(0);
}
