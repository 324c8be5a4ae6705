//! An inspection: what a store knows of a key, without changing anything.
//!
//! Absent on purpose: what of it may be shown. It holds tokens, and those who ask for it are told no token.

use std::time::Duration;

use super::super::card::{Card, ClientId};
use super::super::kind::Kind;
use super::super::token::Token;

/// Who holds a key, who waits for it, and what is known of their clients, as it was when the store was asked.
///
/// ```
/// use lock_runtime::store::Inspection;
///
/// let free = Inspection::new();
/// assert!(free.holders.is_empty() && free.waiters.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Those who hold it, or keep it from everybody; none if it is free.
    pub holders: Vec<Holding>,
    /// The queue, in order; of very many a store may tell the first thousand.
    pub waiters: Vec<Waiting>,
    /// The cards of the clients whose tokens are among these, as far as there are any.
    pub cards: Vec<Presence>,
}

impl Inspection {
    /// Of a key that is free, and for which nobody waits.
    ///
    /// ```
    /// assert!(lock_runtime::store::Inspection::new().cards.is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { holders: Vec::new(), waiters: Vec::new(), cards: Vec::new() }
    }

    /// The same with these holders.
    ///
    /// ```
    /// use lock_runtime::store::{Holding, Inspection, Owner, Token};
    ///
    /// let holding = Holding::new(Owner::Token(Token::from_bits(7)), None);
    /// assert_eq!(Inspection::new().with_holders(vec![holding]).holders.len(), 1);
    /// ```
    #[must_use]
    pub fn with_holders(self, holders: Vec<Holding>) -> Self {
        Self { holders, ..self }
    }

    /// The same with these waiters, in order.
    ///
    /// ```
    /// use lock_runtime::store::{Inspection, Kind, Token, Waiting};
    ///
    /// let waiting = Waiting::new(Some(Token::from_bits(7)), Some(Kind::Exclusive));
    /// assert_eq!(Inspection::new().with_waiters(vec![waiting]).waiters.len(), 1);
    /// ```
    #[must_use]
    pub fn with_waiters(self, waiters: Vec<Waiting>) -> Self {
        Self { waiters, ..self }
    }

    /// The same with these cards.
    ///
    /// ```
    /// use lock_runtime::store::{Card, ClientId, Inspection, Presence};
    ///
    /// let card = Card::new("web-7", 4242, "orders", 1_790_000_000);
    /// let presence = Presence::new(ClientId::from_bits(7), card, Card::LASTS);
    /// assert_eq!(Inspection::new().with_cards(vec![presence]).cards.len(), 1);
    /// ```
    #[must_use]
    pub fn with_cards(self, cards: Vec<Presence>) -> Self {
        Self { cards, ..self }
    }

    /// The clients whose tokens are in it, each once.
    ///
    /// ```
    /// use lock_runtime::store::{ClientId, Holding, Inspection, Owner, Token};
    ///
    /// let holding = Holding::new(Owner::Token(Token::new(ClientId::from_bits(9), 1_790_000_000, 7)), None);
    /// assert_eq!(Inspection::new().with_holders(vec![holding]).clients(), [ClientId::from_bits(9)]);
    /// ```
    pub fn clients(&self) -> Vec<ClientId> {
        let holders = self.holders.iter().filter_map(|holding| holding.owner.token());
        let tokens = holders.chain(self.waiters.iter().filter_map(|waiting| waiting.token));
        let mut clients: Vec<_> = tokens.map(Token::client).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }
}

/// One who holds a key.
///
/// ```
/// use std::time::Duration;
/// use lock_runtime::store::{Holding, Kind, Owner, Token};
///
/// let holding = Holding::new(Owner::Token(Token::from_bits(7)), Some(Duration::from_secs(30)));
/// assert_eq!(holding.kind, Some(Kind::Exclusive));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holding {
    /// Whose it is.
    pub owner: Owner,
    /// Beside whom; none if the store cannot tell, because another program wrote it. How many permits there are, each
    /// who asks brings along, so that a holder's kind says [how many it took](Kind::weight), of `most: 0`.
    pub kind: Option<Kind>,
    /// How long the key lasts unless it is renewed; none if it has no end.
    pub remaining: Option<Duration>,
}

impl Holding {
    /// Somebody who holds the key for so long; exclusively, unless the store knows nothing of the owner.
    ///
    /// ```
    /// use lock_runtime::store::{Holding, Owner};
    ///
    /// assert_eq!(Holding::new(Owner::Unknown, None).kind, None);
    /// ```
    pub const fn new(owner: Owner, remaining: Option<Duration>) -> Self {
        let kind = if matches!(owner, Owner::Unknown) { None } else { Some(Kind::Exclusive) };
        Self { owner, kind, remaining }
    }

    /// The same for a lock of another kind.
    ///
    /// ```
    /// use lock_runtime::store::{Holding, Kind, Owner, Token};
    ///
    /// let holding = Holding::new(Owner::Token(Token::from_bits(7)), None).with_kind(Kind::Shared);
    /// assert_eq!(holding.kind, Some(Kind::Shared));
    /// ```
    #[must_use]
    pub const fn with_kind(self, kind: Kind) -> Self {
        Self { kind: Some(kind), ..self }
    }
}

/// Whose a key is.
///
/// ```
/// use lock_runtime::store::{Owner, Token};
///
/// assert_eq!(Owner::Token(Token::from_bits(7)).token(), Some(Token::from_bits(7)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// Held by this token.
    Token(Token),
    /// Nobody's, and kept for what is left of a `min_hold`; with the token whose it was, if the store knows it.
    Kept(Option<Token>),
    /// Nobody's, since what was to be done [is done](super::Release::done); by this token, if the store knows it.
    Done(Option<Token>),
    /// Not written by a client of this library, or by one of a release that came later.
    Unknown,
}

impl Owner {
    /// The token that holds the key, or did before.
    ///
    /// ```
    /// assert_eq!(lock_runtime::store::Owner::Unknown.token(), None);
    /// ```
    pub const fn token(self) -> Option<Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::Kept(token) | Self::Done(token) => token,
            Self::Unknown => None,
        }
    }
}

/// One in a key's queue.
///
/// ```
/// use lock_runtime::store::{Kind, Token, Waiting};
///
/// let waiting = Waiting::new(Some(Token::from_bits(7)), Some(Kind::Exclusive));
/// assert_eq!(waiting.kind, Some(Kind::Exclusive));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// Who; none if the entry is of another release.
    pub token: Option<Token>,
    /// Beside whom it wants the key; none if that is not known to this release.
    pub kind: Option<Kind>,
}

impl Waiting {
    /// A token that waits for a key of this kind, as far as they are known.
    ///
    /// ```
    /// assert_eq!(lock_runtime::store::Waiting::new(None, None).token, None);
    /// ```
    pub const fn new(token: Option<Token>, kind: Option<Kind>) -> Self {
        Self { token, kind }
    }
}

/// A card that a store keeps.
///
/// ```
/// use lock_runtime::store::{Card, ClientId, Presence};
///
/// let card = Card::new("web-7", 4242, "orders", 1_790_000_000);
/// let presence = Presence::new(ClientId::from_bits(7), card, Card::LASTS);
/// assert_eq!(presence.client.bits(), 7);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence {
    /// Whose card it is.
    pub client: ClientId,
    /// What it says.
    pub card: Card,
    /// For how long the store still keeps it.
    pub remaining: Duration,
}

impl Presence {
    /// The card of a client, which is kept for so long.
    ///
    /// ```
    /// use lock_runtime::store::{Card, ClientId, Presence};
    ///
    /// let card = Card::new("web-7", 4242, "orders", 1_790_000_000);
    /// assert_eq!(Presence::new(ClientId::from_bits(7), card, Card::LASTS).remaining, Card::LASTS);
    /// ```
    pub const fn new(client: ClientId, card: Card, remaining: Duration) -> Self {
        Self { client, card, remaining }
    }
}
