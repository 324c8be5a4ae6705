//! How keys and calls are named inside a client.

/// A call, a release or a renewal by hand: unique in its client, and in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

/// A key while there is any state of it. Who comes later to a place is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    pub(crate) arrival: u32,
    pub(crate) place: u32,
}

/// One call, from its arrival until its release is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    pub key: KeyId,
    pub number: Number,
}

/// One session with the store, as whoever opens them numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);
