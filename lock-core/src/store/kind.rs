//! Kinds: who may hold a key beside whom.
//!
//! Must stay true: nobody holds a key beside a holder of another kind. Absent on purpose: which kinds a store keeps,
//! which it says by its capabilities.

use std::fmt;

/// Who may hold a key beside whom.
///
/// ```
/// use lock_runtime::store::Kind;
///
/// assert_eq!(Kind::default(), Kind::Exclusive);
/// let two_of_five = Kind::permits(5).with_weight(2);
/// assert!(matches!(two_of_five, Kind::Permits { most: 5, weight: 2, .. }));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One holder, and nobody beside it.
    #[default]
    Exclusive,
    /// Any number of holders beside each other.
    Shared,
    /// Holders beside each other who take no more than so many permits together.
    #[non_exhaustive]
    Permits {
        /// How many permits there are, for the one who asks: with it, no more may be taken.
        most: u32,
        /// How many of them it takes; at least one.
        weight: u32,
    },
}

impl Kind {
    /// One of so many permits.
    ///
    /// ```
    /// use lock_runtime::store::Kind;
    ///
    /// assert!(matches!(Kind::permits(5), Kind::Permits { most: 5, weight: 1, .. }));
    /// ```
    pub const fn permits(most: u32) -> Self {
        Self::Permits { most, weight: 1 }
    }

    /// The same with that many of the permits; other kinds have no weight.
    ///
    /// ```
    /// use lock_runtime::store::Kind;
    ///
    /// assert!(matches!(Kind::permits(5).with_weight(2), Kind::Permits { weight: 2, .. }));
    /// assert_eq!(Kind::Shared.with_weight(2), Kind::Shared);
    /// ```
    #[must_use]
    pub const fn with_weight(self, weight: u32) -> Self {
        match self {
            Self::Permits { most, .. } => Self::Permits { most, weight },
            Self::Exclusive | Self::Shared => self,
        }
    }

    /// Whether who holds this may do as if it held `other` too, with nothing asked of the store: nobody is beside it who
    /// might not be. A shared lock is no exclusive one, whoever else shares it.
    ///
    /// ```
    /// use lock_runtime::store::Kind;
    ///
    /// assert!(Kind::Exclusive.covers(Kind::Shared) && !Kind::Shared.covers(Kind::Exclusive));
    /// assert!(Kind::permits(5).covers(Kind::permits(5)) && !Kind::permits(5).covers(Kind::permits(4)));
    /// assert!(!Kind::permits(5).covers(Kind::permits(5).with_weight(2)));
    /// ```
    pub const fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exclusive, _) | (Self::Shared, Self::Shared) => true,
            (Self::Permits { most, weight }, Self::Permits { most: others, weight: wanted }) => {
                most <= others && wanted <= weight
            }
            (Self::Shared | Self::Permits { .. }, _) => false,
        }
    }

    /// How many permits it takes; one, if it is of another kind.
    ///
    /// ```
    /// use lock_runtime::store::Kind;
    ///
    /// assert_eq!((Kind::permits(5).with_weight(2).weight(), Kind::Shared.weight()), (2, 1));
    /// ```
    pub const fn weight(self) -> u32 {
        match self {
            Self::Permits { weight, .. } => weight,
            Self::Exclusive | Self::Shared => 1,
        }
    }

    /// Whether one of this kind may hold a key beside one of the other, as far as there are permits for both.
    ///
    /// ```
    /// use lock_runtime::store::Kind;
    ///
    /// assert!(Kind::Shared.agrees_with(Kind::Shared) && Kind::permits(5).agrees_with(Kind::permits(6)));
    /// assert!(!Kind::Exclusive.agrees_with(Kind::Exclusive) && !Kind::Shared.agrees_with(Kind::permits(5)));
    /// ```
    pub const fn agrees_with(self, other: Self) -> bool {
        matches!((self, other), (Self::Shared, Self::Shared) | (Self::Permits { .. }, Self::Permits { .. }))
    }
}

/// As messages name it: "the store keeps no permits".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive => "exclusive locks",
            Self::Shared => "shared locks",
            Self::Permits { weight: 1, .. } => "permits",
            Self::Permits { .. } => "permits with a weight",
        })
    }
}
