//! [`Client::inspect`]: who holds a key, and who waits for it.
//!
//! What must stay true: no token gets into a report, nor what a token could be worked out from.

use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use crate::api::client::Client;
use crate::engine::inquiries::Inquiry;
use crate::store::{Card, ClientId, Holding, Inspection, Kind, Owner, Presence, StoreError, Token, Waiting};
use crate::system::clock;
use lock_core::{LockError, LockKey};

impl Client {
    /// Says who holds a key and who waits for it, as the store knows it now; by the time of the answer it may be
    /// otherwise. A client that was closed does not say it. Nothing changes by it, and it may be dropped at any time.
    ///
    /// It is for people and their tools: a program that goes by it races with everybody else.
    ///
    /// # Errors
    /// [`LockError::InvalidKey`], [`LockError::Forked`], and [`LockError::Unavailable`] if the store cannot be reached
    /// within the time-out of operations, does not say such things, or may not be asked them by this user (in Redis it
    /// takes the right `+zrange`).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lock_runtime::Client;
    /// use lock_runtime::store::Kind;
    ///
    /// let client = Client::connect("memory://").await?;
    /// assert!(client.inspect("job:42").await?.holders.is_empty());
    ///
    /// let guard = client.lock("job:42").acquire().await?;
    /// let report = client.inspect("job:42").await?;
    /// assert_eq!((report.kind, report.holders.len(), report.waiters.len()), (Some(Kind::Exclusive), 1, 0));
    /// let holder = &report.holders[0];
    /// assert_eq!(holder.client.as_ref().map(|client| client.pid), Some(std::process::id()));
    /// # drop(guard);
    /// # Ok(()) }
    /// ```
    pub async fn inspect(&self, key: impl Into<LockKey>) -> Result<KeyReport, LockError> {
        let key = key.into();
        key.check().map_err(|fault| LockError::invalid_key(key.clone(), fault))?;
        if self.shared().is_forked() {
            return Err(LockError::forked(key));
        }
        let found = self.inspected(&key).await.map_err(|error| LockError::unavailable(key.clone(), error))?;
        Ok(KeyReport::new(key, &found))
    }

    async fn inspected(&self, key: &LockKey) -> Result<Inspection, StoreError> {
        let (shared, (answer, answered)) = (self.shared(), oneshot::channel());
        let until = clock::now() + shared.operation_timeout;
        shared.inquiries.put(Inquiry { key: key.clone(), until, answer });
        shared.wake_keeper.notify_one();
        if shared.thread.has_ended() {
            return Err(StoreError::no_answer());
        }
        // The keeper answers for as long as there are clients.
        answered.await.unwrap_or_else(|_| Err(StoreError::no_answer()))
    }
}

/// Who holds a key and who waits for it; from [`Client::inspect`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyReport {
    /// Of which key.
    pub key: LockKey,
    /// Who may hold it beside its holders; none if it is free, or if another program holds it.
    pub kind: Option<Kind>,
    /// Those who hold it, or keep it from everybody; none if it is free.
    pub holders: Vec<HolderReport>,
    /// The queue at the store, in order: one for each client that waits, and the first thousand of them.
    pub waiters: Vec<WaiterReport>,
}

/// One who holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HolderReport {
    /// What it is to the key.
    pub state: HolderState,
    /// Names this acquisition and no other, and is no token: the client's id, and some bits that a token cannot be
    /// worked out from. None if another program holds the key.
    pub id: Option<String>,
    /// Whose it is, if its client's card is there.
    pub client: Option<ClientReport>,
    /// When the lock was asked for, by the clock of the holder's machine; none if another program holds the key.
    pub asked_at: Option<SystemTime>,
    /// How long the key lasts unless it is renewed; none if it has no end.
    pub remaining: Option<Duration>,
}

/// What a [`HolderReport`] is to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderState {
    /// It holds it.
    Holds,
    /// It has released it, and the key is nobody's for what is left of its `min_hold`.
    Kept,
    /// What was to be done under it is done, and the key is nobody's for what is left of its `once`.
    Done,
    /// The key was written by another program, or by a later release of this library.
    Unknown,
}

/// One who waits for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaiterReport {
    /// As a [`HolderReport`]'s; none if the entry is of a release that this one cannot read.
    pub id: Option<String>,
    /// Beside whom it wants the key; none if that is not known to this release.
    pub kind: Option<Kind>,
    /// Whose it is, if its client's card is there.
    pub client: Option<ClientReport>,
    /// When the lock was asked for, by the clock of the waiter's machine.
    pub asked_at: Option<SystemTime>,
}

/// A client, as its card says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientReport {
    /// Its id: 32 random bits, drawn when it was made.
    pub id: ClientId,
    /// The name of its machine.
    pub host: String,
    /// The number of its process on that machine.
    pub pid: u32,
    /// The name of its program's file.
    pub program: String,
    /// The version of the format in which it writes to the store.
    pub version: u32,
    /// When it was made, by its machine's clock.
    pub since: SystemTime,
    /// How long ago its keeper was seen last. Up to a minute is ordinary; more says that its process is stopped, gone,
    /// or cut off from the store. After three minutes its card is gone.
    pub last_seen: Duration,
}

impl KeyReport {
    fn new(key: LockKey, found: &Inspection) -> Self {
        let holders = found.holders.iter().map(|holding| HolderReport::new(holding, &found.cards)).collect();
        let waiters = found.waiters.iter().map(|waiting| WaiterReport::new(waiting, &found.cards)).collect();
        Self { key, kind: found.holders.first().and_then(|holding| holding.kind), holders, waiters }
    }
}

impl HolderReport {
    fn new(holding: &Holding, cards: &[Presence]) -> Self {
        let token = holding.owner.token();
        let state = match holding.owner {
            Owner::Token(_) => HolderState::Holds,
            Owner::Kept(_) => HolderState::Kept,
            Owner::Done(_) => HolderState::Done,
            _ => HolderState::Unknown,
        };
        Self {
            state,
            id: token.map(name_of),
            client: token.and_then(|token| ClientReport::find(token, cards)),
            asked_at: token.map(Token::asked_at),
            remaining: holding.remaining,
        }
    }
}

impl WaiterReport {
    fn new(waiting: &Waiting, cards: &[Presence]) -> Self {
        let token = waiting.token;
        Self {
            id: token.map(name_of),
            kind: waiting.kind,
            client: token.and_then(|token| ClientReport::find(token, cards)),
            asked_at: token.map(Token::asked_at),
        }
    }
}

impl ClientReport {
    fn find(token: Token, cards: &[Presence]) -> Option<Self> {
        let Presence { client, card, remaining, .. } =
            cards.iter().find(|presence| presence.client == token.client())?;
        let Card { host, pid, program, version, since, .. } = card;
        Some(Self {
            id: *client,
            host: host.clone(),
            pid: *pid,
            program: program.clone(),
            version: *version,
            since: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(*since)).unwrap_or(SystemTime::UNIX_EPOCH),
            last_seen: Card::LASTS.saturating_sub(*remaining),
        })
    }
}

/// Half of a token's random part would be left to guess even for one who could turn the hash around.
fn name_of(token: Token) -> String {
    let hash = sha1_smol::Sha1::from(token.bits().to_be_bytes()).digest().to_string();
    format!("{}-{}", token.client(), &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_a_token_and_says_nothing_of_its_random_part() {
        let token = Token::new(ClientId::from_bits(0x00c0_ffee), 1_790_000_000, 0x0123_4567_89ab_cdef);
        let card = Presence::new(token.client(), Card::new("web-7", 7, "orders", 1), Duration::from_secs(168));
        let found = Inspection::new()
            .with_holders(vec![Holding::new(Owner::Token(token), Some(Duration::from_secs(30)))])
            .with_waiters(vec![Waiting::new(Some(token.successor()), Some(Kind::Exclusive)), Waiting::new(None, None)])
            .with_cards(vec![card]);
        let report = KeyReport::new("a".into(), &found);
        let (holder, waiter) = (&report.holders[0], &report.waiters[0]);
        assert_eq!(holder.asked_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)));
        assert_eq!(holder.client.as_ref().map(|client| client.last_seen), Some(Duration::from_secs(12)));
        assert_ne!(holder.id, waiter.id, "two tokens");
        assert!(holder.id.as_ref().is_some_and(|id| id.starts_with("00c0ffee-") && id.len() == 17), "{:?}", holder.id);
        let shown = format!("{report:?}");
        let secret = format!("{:016x}", 0x0123_4567_89ab_cdef_u64);
        assert!(!shown.contains(&secret[..6]) && !shown.contains(&secret[10..]), "{shown}");
        assert_eq!((report.waiters.len(), &report.waiters[1].id), (2, &None));
    }

    #[test]
    fn a_card_from_the_end_of_time_is_no_panic() {
        let token = Token::new(ClientId::from_bits(1), u32::MAX, 0);
        let card = Presence::new(token.client(), Card::new("", 0, "", u64::MAX), Duration::MAX);
        let client = ClientReport::find(token, &[card]).expect("a card");
        assert_eq!((client.since, client.last_seen), (SystemTime::UNIX_EPOCH, Duration::ZERO));
    }
}
