//! What a server knows of a key and of clients: plain reads and writes, and what their replies mean.
//!
//! What must stay true: nothing that locks depend on is read or written here, so that a user who may not use one of
//! these commands misses nothing but what it tells. Absent on purpose: connections, and what an error means.

use std::time::Duration;

use ::redis::{Cmd, Pipeline, RedisError, Value};

use super::fault::unexpected;
use super::names::{Names, card, card_text, keep_ms, member, token, waiting};
use crate::store::{Card, ClientId, Holding, Inspection, Kind, Owner, Presence, Waiting};
use lock_core::LockKey;

/// How many entries of a queue, and how many holders, are read at most.
const MOST_READ: usize = 1000;

/// How many commands [`inspection`] has.
pub(crate) const COMMANDS: usize = 5;

/// Asks for the lock, its ttl, the clock, those who hold it beside each other, and its queue.
pub(crate) fn inspection(names: &Names, key: &LockKey) -> Pipeline {
    let mut commands = Pipeline::with_capacity(COMMANDS);
    commands.cmd("GET").arg(names.lock(key));
    commands.cmd("PTTL").arg(names.lock(key));
    commands.cmd("TIME");
    commands.cmd("ZRANGE").arg(names.held(key)).arg(0).arg(MOST_READ - 1).arg("WITHSCORES");
    commands.cmd("ZRANGE").arg(names.queue(key)).arg(0).arg(MOST_READ - 1);
    commands
}

/// Reads the replies to [`inspection`].
pub(crate) fn inspected(replies: Vec<Value>) -> Result<Inspection, RedisError> {
    let strange = |_| unexpected("GET, PTTL, TIME and ZRANGE");
    let [value, ttl, time, held, queue] = <[Value; COMMANDS]>::try_from(replies).map_err(strange)?;
    let mut holders = match &value {
        Value::BulkString(marker) if matches!(&marker[..], b"*s" | b"*p" | b"*w") => holdings(marker, &time, held)?,
        _ => Vec::new(),
    };
    if holders.is_empty() {
        holders.extend(holding(&value, &ttl)?);
    }
    Ok(Inspection::new().with_holders(holders).with_waiters(waiters(queue)?))
}

/// Those whose leases have not expired, in order of expiry.
fn holdings(marker: &[u8], time: &Value, held: Value) -> Result<Vec<Holding>, RedisError> {
    let held = match held {
        Value::Array(held) => held,
        Value::ServerError(error) => return Err(error.into()),
        _ => return Err(unexpected("ZRANGE")),
    };
    let now_ms = now_ms(time).ok_or_else(|| unexpected("TIME"))?;
    // A server that speaks RESP3 answers in pairs.
    let flat: Vec<Value> =
        held.into_iter().flat_map(|one| if let Value::Array(pair) = one { pair } else { vec![one] }).collect();
    let holding = |pair: &[Value]| {
        let (text, expiry) = (text(pair.first()?)?, whole(pair.get(1)?)?);
        let (token, weight, is_kept) = member(&text)?;
        let remaining = Duration::from_millis(expiry.checked_sub(now_ms).filter(|left| *left > 0)?);
        let owner = if is_kept { Owner::Kept(Some(token)) } else { Owner::Token(token) };
        let kind = if marker == b"*s" { Kind::Shared } else { Kind::permits(0).with_weight(weight) };
        Some(Holding::new(owner, Some(remaining)).with_kind(kind))
    };
    Ok(flat.chunks(2).filter_map(holding).collect())
}

fn now_ms(time: &Value) -> Option<u64> {
    let Value::Array(parts) = time else { return None };
    Some(whole(parts.first()?)? * 1000 + whole(parts.get(1)?)? / 1000)
}

/// A number that is whole, in any of the ways in which servers write one.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an expiry is below 2^53")]
        Value::Double(number) => (*number >= 0.0).then_some(*number as u64),
        _ => text(value)?.parse().ok(),
    }
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
    let done = text.strip_prefix("done|").and_then(token).map(|token| Owner::Done(Some(token)));
    kept.or(done).or_else(|| token(text).map(Owner::Token)).unwrap_or(Owner::Unknown)
}

/// Marks stand behind all entries.
fn waiters(queue: Value) -> Result<Vec<Waiting>, RedisError> {
    match queue {
        Value::Array(entries) => {
            Ok(entries.iter().filter_map(text).filter(|entry| !is_mark(entry)).map(|entry| read(&entry)).collect())
        }
        Value::ServerError(error) => Err(error.into()),
        _ => Err(unexpected("ZRANGE")),
    }
}

fn text(value: &Value) -> Option<String> {
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
