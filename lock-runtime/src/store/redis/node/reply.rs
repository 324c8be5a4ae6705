//! The meaning of replies, as pure functions: a value in, one of our types or an error out.
//!
//! A reply of an unexpected shape is an error, never a panic. A message on a wake channel that cannot be parsed, or
//! says what no server of ours can say, is ignored, because anybody can publish there. Absent on purpose: sending, and
//! what an error means.

use std::time::Duration;

use ::redis::{RedisError, Value};

use super::fault::{from_text, unexpected};
use super::names::{LONGEST_MS, Names};
use crate::store::{Acquired, ClockId, ClockReading, Grant, Released, Renewed, Rotated, Token};
use lock_core::store::MOST_FENCES;

/// In microseconds since 1970, a day in 2020: no server's clock is earlier, and so no fence of ours is smaller.
const OLDEST_CLOCK: u64 = 1_600_000_000_000_000;

/// Every fence and clock of ours is smaller: from 2^53 on Lua cannot represent every integer, and a block of fences
/// must fit below that. `fence.lua` has the same number.
pub(crate) const FENCE_LIMIT: u64 = 9_007_190_000_000_000;

/// The replies to `SET .. NX` and `INCR`, which are sent in one write.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// Granted, with a usable fence.
    Fenced(u64),
    /// Granted, but the counter gave no usable fence.
    Unfenced,
    /// Another token holds the key.
    Held,
}

/// The reply to a script that reserves fences.
#[derive(Debug, PartialEq)]
pub(crate) enum Minted {
    /// Whether the token holds the key, with the details that the script gave.
    Known(Acquired),
    /// Another token holds it, without a ttl.
    HeldForEver,
}

/// Reads the replies to `SET .. NX` and `INCR`; `floor` is the greatest fence seen before they were sent.
pub(crate) fn taken(replies: Vec<Value>, floor: u64) -> Result<Taken, RedisError> {
    let Ok([set, incremented]) = <[Value; 2]>::try_from(replies) else {
        return Err(unexpected("SET and INCR"));
    };
    match set {
        Value::Okay => {}
        Value::Nil => return Ok(Taken::Held),
        Value::ServerError(error) => return Err(error.into()),
        _ => return Err(unexpected("SET")),
    }
    match incremented {
        Value::Int(count) => Ok(usable(count, floor).map_or(Taken::Unfenced, Taken::Fenced)),
        Value::ServerError(_) => Ok(Taken::Unfenced),
        _ => Err(unexpected("INCR")),
    }
}

/// The count as a fence, if it is plausible and greater than `floor`.
fn usable(count: i64, floor: u64) -> Option<u64> {
    let fence = u64::try_from(count).ok()?;
    (fence > floor && (OLDEST_CLOCK..FENCE_LIMIT).contains(&fence)).then_some(fence)
}

/// Reads the reply to a script that reserves fences, by a server with this clock.
pub(crate) fn minted(reply: Value, clock: ClockId) -> Result<Minted, RedisError> {
    let unexpected = || unexpected("a script that reserves fences");
    let parts = parts(reply)?.ok_or_else(unexpected)?;
    let number = |number: i64| plausible(number).ok_or_else(unexpected);
    let held = |for_at_most| Ok(Minted::Known(Acquired::held(for_at_most)));
    match parts[..] {
        [1, fence] => Ok(Minted::Known(Acquired::granted(number(fence)?))),
        [0] => held(None),
        [0, -1] => Ok(Minted::HeldForEver),
        [0, ms] => held(Some(left(ms))),
        [2, ms] if ms >= 0 => Ok(Minted::Known(Acquired::done(left(ms)))),
        [0, ms, shown] => Ok(Minted::Known(Acquired::queued(Some(left(ms)), ClockReading::new(clock, number(shown)?)))),
        _ => Err(unexpected()),
    }
}

/// A number as a fence or a clock in microseconds, if a script can have given it.
fn plausible(number: i64) -> Option<u64> {
    // The first reserved fence may be the limit itself.
    u64::try_from(number).ok().filter(|number| *number <= FENCE_LIMIT)
}

/// The ttl that is left; zero for a key that has just expired.
fn left(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Reads the reply to a rotation, by a server with this clock.
pub(crate) fn rotated(reply: Value, clock: ClockId) -> Result<Rotated, RedisError> {
    let unexpected = || unexpected("the rotation script");
    let number = |number: i64| plausible(number).ok_or_else(unexpected);
    match parts(reply)?.ok_or_else(unexpected)?[..] {
        [1, fence] => Ok(Rotated::retained(number(fence)?)),
        [2, shown] => Ok(Rotated::handed_over(ClockReading::new(clock, number(shown)?))),
        [3] => Ok(Rotated::Freed),
        [0] => Ok(Rotated::NotOurs),
        _ => Err(unexpected()),
    }
}

/// The integers that a reply consists of, if it does.
fn parts(reply: Value) -> Result<Option<Vec<i64>>, RedisError> {
    match reply.extract_error()? {
        Value::Array(parts) => Ok(parts.iter().map(number).collect()),
        _ => Ok(None),
    }
}

/// Reads a message on a wake channel of a server with this clock: `token fence fences first-lease clock name`, if it is
/// one of ours.
pub(crate) fn grant(message: &Value, names: &Names, clock: ClockId) -> Option<Grant> {
    let message = text(message)?;
    let mut words = message.splitn(6, ' ');
    let token = hexadecimal(words.next()?).map(Token::from_bits)?;
    let fence = within(words.next()?, OLDEST_CLOCK, FENCE_LIMIT)?;
    let fences = within(words.next()?, 1, MOST_FENCES.into())?.try_into().ok()?;
    let first_lease = Duration::from_millis(within(words.next()?, 1, LONGEST_MS)?);
    let clock = ClockReading::new(clock, within(words.next()?, OLDEST_CLOCK, FENCE_LIMIT)?);
    // The name comes last because it can contain spaces.
    let key = names.key(words.next()?)?;
    Some(Grant::new(key, token, fence, first_lease, clock).with_fences(fences))
}

/// A number in decimal digits, if it is in this range.
fn within(digits: &str, least: u64, most: u64) -> Option<u64> {
    let is_one = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|number| is_one && (least..=most).contains(number))
}

fn hexadecimal(digits: &str) -> Option<u128> {
    let is_one = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_one.then(|| u128::from_str_radix(digits, 16).ok())?
}

/// Reads the reply to a batch of this many renewals; the outer error is about all of them.
pub(crate) fn renewed(reply: Value, batch: usize) -> Result<Vec<Result<Renewed, RedisError>>, RedisError> {
    match reply.extract_error()? {
        Value::Int(all) if usize::try_from(all) == Ok(batch) => Ok(vec![Ok(Renewed::Renewed); batch]),
        Value::Array(parts) if parts.len() == batch => Ok(parts.into_iter().map(renewed_one).collect()),
        _ => Err(unexpected("the renewal script")),
    }
}

fn renewed_one(part: Value) -> Result<Renewed, RedisError> {
    match part {
        Value::Int(1) => Ok(Renewed::Renewed),
        Value::Int(0) => Ok(Renewed::NotOurs),
        Value::BulkString(text) => Err(from_text(&String::from_utf8_lossy(&text))),
        Value::ServerError(error) => Err(error.into()),
        _ => Err(unexpected("the renewal script")),
    }
}

/// Reads the replies to GET and PTTL about a key that was found held. What is no such reply says nothing.
pub(crate) fn held(replies: &[Value]) -> Acquired {
    let [value, ttl] = replies else { return Acquired::held(None) };
    let is_done = matches!(value, Value::BulkString(value) if value.starts_with(b"done|"));
    match time_left(ttl) {
        Some(left) if is_done => Acquired::done(left),
        left => Acquired::held(left),
    }
}

/// Reads the reply to PTTL: none for a key that is gone or has no ttl, and for what is no such reply.
fn time_left(reply: &Value) -> Option<Duration> {
    match *reply {
        Value::Int(ms) => u64::try_from(ms).ok().filter(|ms| (1..=LONGEST_MS).contains(ms)).map(Duration::from_millis),
        _ => None,
    }
}

/// Reads the reply to `free.lua`: whether the lock was freed.
pub(crate) fn freed(reply: Value) -> Result<bool, RedisError> {
    match reply.extract_error()? {
        Value::Int(1) => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(unexpected("the free script")),
    }
}

/// Reads the reply to a release.
pub(crate) fn released(reply: Value) -> Result<Released, RedisError> {
    match reply.extract_error()? {
        Value::Int(1) => Ok(Released::Freed),
        Value::Int(0) => Ok(Released::NotOurs),
        _ => Err(unexpected("the release script")),
    }
}

/// Reads the reply to a downgrade.
pub(crate) fn downgraded(reply: Value) -> Result<Renewed, RedisError> {
    match reply.extract_error()? {
        Value::Int(1) => Ok(Renewed::Renewed),
        Value::Int(0) => Ok(Renewed::NotOurs),
        _ => Err(unexpected("the downgrade script")),
    }
}

/// Reads a field of the server's reply to HELLO, if it is there.
pub(crate) fn said_in_hello(reply: &Value, what: &str) -> Option<String> {
    match reply {
        Value::Map(pairs) => pairs.iter().find(|(name, _)| is(name, what)).and_then(|(_, value)| text(value)),
        Value::Array(parts) => {
            let at = parts.iter().step_by(2).position(|name| is(name, what))?;
            parts.get(2 * at + 1).and_then(text)
        }
        _ => None,
    }
}

/// Reads the reply to `raise.lua`: the clock, if the server said which process it is.
pub(crate) fn clock_in_raised(reply: &Value) -> Option<ClockId> {
    let Value::Array(parts) = reply else { return None };
    let run = text(parts.get(1)?)?;
    u64::from_str_radix(run.get(..16)?, 16).ok().map(ClockId::from_bits)
}

/// Reads another part of that reply, if it is there and not empty.
pub(crate) fn said_in_raised(reply: &Value, part: usize) -> Option<String> {
    let Value::Array(parts) = reply else { return None };
    text(parts.get(part)?).filter(|said| !said.is_empty())
}

/// Reads the version out of the reply to INFO, if there is one.
pub(crate) fn version_in_info(reply: &Value) -> Option<String> {
    let info = text(reply)?;
    info.lines().find_map(|line| line.strip_prefix("redis_version:")).map(|version| version.trim().to_owned())
}

/// Whether a version is too old for locks. A text that is not a version is accepted.
pub(crate) fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < (6, 2),
        _ => false,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => text(value)?.parse().ok(),
    }
}

fn is(value: &Value, expected: &str) -> bool {
    text(value).is_some_and(|text| text == expected)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests;
