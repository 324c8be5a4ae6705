//! Cards: who a client is, as it tells everybody who uses the same store.
//!
//! A client's tokens begin with its id, and its card says what that id stands for. A card is kept alive by its client's
//! keeper, and is no proof of anything: whoever may write to the store can write one.
//! Absent on purpose: how a store writes a card down, and when one is sent.

use std::fmt;
use std::time::Duration;

/// Names a client: 32 random bits, drawn when it was made. All its tokens begin with them.
///
/// ```
/// use lock_runtime::store::ClientId;
///
/// assert_eq!(ClientId::from_bits(0xc0ffee).to_string(), "00c0ffee");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u32);

impl ClientId {
    /// An id from 32 random bits.
    ///
    /// ```
    /// use lock_runtime::store::ClientId;
    ///
    /// assert_ne!(ClientId::from_bits(1), ClientId::from_bits(2));
    /// ```
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits, for a store to write down.
    ///
    /// ```
    /// use lock_runtime::store::ClientId;
    ///
    /// assert_eq!(ClientId::from_bits(7).bits(), 7);
    /// ```
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// Eight hexadecimal digits, as a token begins.
impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// As it is displayed.
impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({self})")
    }
}

/// Who a client is: a process, and since when.
///
/// ```
/// use lock_runtime::store::Card;
///
/// let card = Card::new("web-7", 4242, "orders", 1_790_000_000);
/// assert_eq!((card.host.as_str(), card.version), ("web-7", Card::VERSION));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Card {
    /// The name of its machine.
    pub host: String,
    /// The number of its process on that machine.
    pub pid: u32,
    /// The name of its program's file.
    pub program: String,
    /// The version of the format in which it writes to the store; [`Card::VERSION`], unless it comes from elsewhere.
    pub version: u32,
    /// When the client was made, in seconds since 1970 by its machine's clock.
    pub since: u64,
}

impl Card {
    /// Of what this release writes.
    ///
    /// ```
    /// assert_eq!(lock_runtime::store::Card::VERSION, 1);
    /// ```
    pub const VERSION: u32 = 1;

    /// For how long a store keeps a card that is not written anew; three times as long as until it is.
    ///
    /// ```
    /// assert_eq!(lock_runtime::store::Card::LASTS.as_secs(), 180);
    /// ```
    pub const LASTS: Duration = Duration::from_secs(180);

    /// The card of a client of this release: its machine, process and program, and when it was made, in seconds since
    /// 1970.
    ///
    /// ```
    /// let card = lock_runtime::store::Card::new("web-7", 4242, "orders", 1_790_000_000);
    /// assert_eq!(card.pid, 4242);
    /// ```
    pub fn new(host: impl Into<String>, pid: u32, program: impl Into<String>, since: u64) -> Self {
        Self { host: host.into(), pid, program: program.into(), version: Self::VERSION, since }
    }
}
