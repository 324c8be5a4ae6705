//! What a server knows of a key and of clients: plain reads and writes, and what their replies mean.
//!
//! What must stay true: nothing that locks depend on is read or written here, so that a user who may not use one of
//! these commands misses nothing but what it tells. Absent on purpose: connections, and what an error means.

use std::time::Duration;

use ::redis::{Cmd, Pipeline, RedisError, Value};

use super::fault::unexpected;
use super::names::{Names, card, card_text, keep_ms, token, waiting};
use crate::store::{Card, ClientId, Holding, Inspection, Owner, Presence, Waiting};
use lock_core::LockKey;

/// How many entries of a queue are read at most.
const MOST_WAITERS: usize = 1000;

/// How many commands [`inspection`] has.
pub(crate) const COMMANDS: usize = 3;

/// Asks for the lock, its ttl, and its queue.
pub(crate) fn inspection(names: &Names, key: &LockKey) -> Pipeline {
    let mut commands = Pipeline::with_capacity(COMMANDS);
    commands.cmd("GET").arg(names.lock(key));
    commands.cmd("PTTL").arg(names.lock(key));
    commands.cmd("ZRANGE").arg(names.queue(key)).arg(0).arg(MOST_WAITERS - 1);
    commands
}

/// Reads the replies to [`inspection`].
pub(crate) fn inspected(replies: Vec<Value>) -> Result<Inspection, RedisError> {
    let [value, ttl, queue] = <[Value; COMMANDS]>::try_from(replies).map_err(|_| unexpected("GET, PTTL and ZRANGE"))?;
    let holders = holding(&value, &ttl)?.into_iter().collect();
    Ok(Inspection::new().with_holders(holders).with_waiters(waiters(queue)?))
}

fn holding(value: &Value, ttl: &Value) -> Result<Option<Holding>, RedisError> {
    let remaining = match ttl {
        // It is gone since it was read.
        Value::Int(-2) => return Ok(None),
        Value::Int(ms) => u64::try_from(*ms).ok().map(Duration::from_millis),
        Value::ServerError(error) => return Err(error.clone().into()),
        _ => return Err(unexpected("PTTL")),
    };
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(Holding::new(owner(bytes), remaining))),
        Value::ServerError(error) => Err(error.clone().into()),
        _ => Err(unexpected("GET")),
    }
}

fn owner(value: &[u8]) -> Owner {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let kept = text.strip_prefix("kept|").and_then(token).map(|token| Owner::Kept(Some(token)));
    kept.or_else(|| token(text).map(Owner::Token)).unwrap_or(Owner::Unknown)
}

/// Marks stand behind all entries.
fn waiters(queue: Value) -> Result<Vec<Waiting>, RedisError> {
    match queue {
        Value::Array(entries) => {
            Ok(entries.iter().filter_map(entry).filter(|entry| !is_mark(entry)).map(|entry| read(&entry)).collect())
        }
        Value::ServerError(error) => Err(error.into()),
        _ => Err(unexpected("ZRANGE")),
    }
}

fn entry(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

fn is_mark(entry: &str) -> bool {
    entry.starts_with("seen|")
}

fn read(entry: &str) -> Waiting {
    let (token, kind) = waiting(entry);
    Waiting::new(token, kind)
}

/// Asks for the cards of clients, each with its ttl.
pub(crate) fn asking_for_cards(names: &Names, clients: &[ClientId]) -> Pipeline {
    let mut commands = Pipeline::with_capacity(2 * clients.len());
    for client in clients {
        commands.cmd("GET").arg(names.card(*client));
        commands.cmd("PTTL").arg(names.card(*client));
    }
    commands
}

/// The cards among the replies; one that cannot be read is none.
pub(crate) fn cards(clients: &[ClientId], replies: &[Value]) -> Vec<Presence> {
    let presence = |(client, replies): (&ClientId, &[Value])| match replies {
        [Value::BulkString(text), Value::Int(ms)] => {
            let card = card(std::str::from_utf8(text).ok()?)?;
            Some(Presence::new(*client, card, Duration::from_millis(u64::try_from(*ms).ok()?)))
        }
        _ => None,
    };
    clients.iter().zip(replies.chunks(2)).filter_map(presence).collect()
}

/// Writes a client's card.
pub(crate) fn introducing(names: &Names, client: ClientId, card: &Card) -> Cmd {
    let mut set = Cmd::new();
    set.arg("SET").arg(names.card(client)).arg(card_text(card)).arg("PX").arg(keep_ms(Card::LASTS));
    set
}

/// Removes it.
pub(crate) fn leaving(names: &Names, client: ClientId) -> Cmd {
    let mut del = Cmd::new();
    del.arg("DEL").arg(names.card(client));
    del
}
