//! How keys, calls and sessions are numbered inside a client.

/// A call, a release or a manual renewal: unique in its client, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

/// A key for as long as it has any state. A later key in the same slot has another generation.
///
/// By default the first there is, for whoever has one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    pub(crate) generation: u32,
    pub(crate) slot: u32,
}

/// One call, from its arrival until its release is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    pub key: KeyId,
    pub number: Number,
}

/// One session with the store, numbered by whoever opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);
