//! Stores: what one is, and those that there are.
//!
//! A store of your own implements [`Store`] and [`Session`], and is checked by
//! [`conformance`](crate::conformance).

pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod url;

#[doc(inline)]
pub use lock_core::store::{
    Acquired, Ask, Capabilities, Card, ClientId, ClockId, ClockReading, Downgrade, Enqueue, Entry, Grant, Holding,
    Inspection, Kind, Listener, ListenerId, Look, Owner, Presence, Release, Released, Renewal, Renewed, Rotate,
    Rotated, Session, Store, StoreError, StoreErrorKind, StoreFuture, Token, Waiting,
};
pub use memory::MemoryStore;
