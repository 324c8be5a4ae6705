//! What a reply says, as pure functions: a value in, one of our words or an error out.
//!
//! A reply of a strange shape is an error, never a panic. Absent on purpose: sending, and what an error means.

use std::time::Duration;

use ::redis::{RedisError, Value};

use super::fault::{from_text, strange};
use crate::store::{Released, Renewed};

/// In microseconds since 1970, a day in 2020: no server's clock is older, and so no fence of ours is smaller.
const OLDEST_CLOCK: u64 = 1_600_000_000_000_000;

/// From here on Lua no longer tells neighbouring numbers apart.
const GREATEST: u64 = 1 << 53;

/// What `SET .. NX` and `INCR` in one write were answered.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    /// Granted, with a fence that can be used.
    Fenced(u64),
    /// Granted, but the counter gave no fence that can be used.
    Unfenced,
    /// Somebody holds the key.
    Held,
}

/// What a script that mints was answered.
#[derive(Debug, PartialEq)]
pub(super) enum Minted {
    /// The token holds the key, and this is the new fence.
    Fence(u64),
    /// It does not; somebody does for this long, as far as the script says.
    Held(Option<Duration>),
    /// Somebody does, without a ttl.
    HeldForEver,
}

/// Reads the replies to `SET .. NX` and `INCR`; `floor` is the greatest fence seen before they were sent.
pub(super) fn taken(replies: Vec<Value>, floor: u64) -> Result<Taken, RedisError> {
    let Ok([set, incremented]) = <[Value; 2]>::try_from(replies) else {
        return Err(strange("SET and INCR"));
    };
    match set {
        Value::Okay => {}
        Value::Nil => return Ok(Taken::Held),
        Value::ServerError(error) => return Err(error.into()),
        _ => return Err(strange("SET")),
    }
    match incremented {
        Value::Int(count) => Ok(usable(count, floor).map_or(Taken::Unfenced, Taken::Fenced)),
        Value::ServerError(_) => Ok(Taken::Unfenced),
        _ => Err(strange("INCR")),
    }
}

/// The count as a fence, if it can be one that grew.
fn usable(count: i64, floor: u64) -> Option<u64> {
    let fence = u64::try_from(count).ok()?;
    (fence > floor && (OLDEST_CLOCK..GREATEST).contains(&fence)).then_some(fence)
}

/// Reads the reply to a script that mints.
pub(super) fn minted(reply: Value) -> Result<Minted, RedisError> {
    let Value::Array(parts) = reply.extract_error()? else {
        return Err(strange("a script that mints"));
    };
    let part = |n: usize| parts.get(n).and_then(number);
    match (part(0), part(1)) {
        (Some(1), Some(fence)) => u64::try_from(fence).map(Minted::Fence).map_err(|_| strange("a script that mints")),
        (Some(0), None) => Ok(Minted::Held(None)),
        (Some(0), Some(-1)) => Ok(Minted::HeldForEver),
        (Some(0), Some(ms)) => Ok(Minted::Held(Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0))))),
        _ => Err(strange("a script that mints")),
    }
}

/// Reads the reply to a batch of this many renewals; the outer error is about all of them.
pub(super) fn renewed(reply: Value, batch: usize) -> Result<Vec<Result<Renewed, RedisError>>, RedisError> {
    match reply.extract_error()? {
        Value::Array(parts) if parts.len() == batch => Ok(parts.into_iter().map(renewed_one).collect()),
        _ => Err(strange("the renewal script")),
    }
}

fn renewed_one(part: Value) -> Result<Renewed, RedisError> {
    match part {
        Value::Int(1) => Ok(Renewed::Renewed),
        Value::Int(0) => Ok(Renewed::NotOurs),
        Value::BulkString(text) => Err(from_text(&String::from_utf8_lossy(&text))),
        Value::ServerError(error) => Err(error.into()),
        _ => Err(strange("the renewal script")),
    }
}

/// Reads the reply to a release.
pub(super) fn released(reply: Value) -> Result<Released, RedisError> {
    match reply.extract_error()? {
        Value::Int(1) => Ok(Released::Freed),
        Value::Int(0) => Ok(Released::NotOurs),
        _ => Err(strange("the release script")),
    }
}

/// Reads the version out of the reply to HELLO, if there is one.
pub(super) fn version_in_hello(reply: &Value) -> Option<String> {
    match reply {
        Value::Map(pairs) => pairs.iter().find(|(name, _)| is(name, "version")).and_then(|(_, value)| text(value)),
        Value::Array(parts) => {
            let at = parts.iter().step_by(2).position(|name| is(name, "version"))?;
            parts.get(2 * at + 1).and_then(text)
        }
        _ => None,
    }
}

/// Reads the version out of the reply to INFO, if there is one.
pub(super) fn version_in_info(reply: &Value) -> Option<String> {
    let info = text(reply)?;
    info.lines().find_map(|line| line.strip_prefix("redis_version:")).map(|version| version.trim().to_owned())
}

/// Whether a version is one that locks cannot work with. A text that is no version is given a chance.
pub(super) fn is_too_old(version: &str) -> bool {
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
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn refusal(text: &str) -> Value {
        ::redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("an answer")
    }

    #[test]
    fn set_and_incr_have_every_combination_of_replies() {
        const FENCE: i64 = 1_700_000_000_000_000;
        let floor = FENCE.unsigned_abs() - 1;
        let taken = |set, count| taken(vec![set, count], floor);
        assert_eq!(taken(Value::Okay, Value::Int(FENCE)), Ok(Taken::Fenced(FENCE.unsigned_abs())));
        for unusable in [FENCE - 1, 1, 0, -1, i64::MAX, 1 << 53, i64::MIN] {
            assert_eq!(taken(Value::Okay, Value::Int(unusable)), Ok(Taken::Unfenced), "{unusable}");
        }
        assert_eq!(taken(Value::Okay, refusal("ERR value is not an integer")), Ok(Taken::Unfenced));
        for any in [Value::Int(FENCE), Value::Int(1), refusal("OOM x"), Value::Nil] {
            assert_eq!(taken(Value::Nil, any), Ok(Taken::Held));
        }
        assert!(taken(refusal("OOM x"), Value::Int(FENCE)).is_err());
    }

    #[test]
    fn a_fence_is_never_below_a_plausible_clock() {
        assert_eq!(taken(vec![Value::Okay, Value::Int(5)], 4), Ok(Taken::Unfenced));
    }

    #[test]
    fn minting_scripts_are_understood() {
        let minted = |parts: &[Value]| minted(Value::Array(parts.to_vec()));
        assert_eq!(minted(&[Value::Int(1), bulk("17")]), Ok(Minted::Fence(17)));
        assert_eq!(minted(&[Value::Int(0)]), Ok(Minted::Held(None)));
        assert_eq!(minted(&[Value::Int(0), Value::Int(5)]), Ok(Minted::Held(Some(Duration::from_millis(5)))));
        assert_eq!(minted(&[Value::Int(0), Value::Int(-2)]), Ok(Minted::Held(Some(Duration::ZERO))));
        assert_eq!(minted(&[Value::Int(0), Value::Int(-1)]), Ok(Minted::HeldForEver));
    }

    #[test]
    fn a_batch_is_answered_key_by_key_or_as_a_whole() {
        let parts = vec![Value::Int(1), Value::Int(0), bulk("WRONGTYPE Operation"), Value::Nil];
        let answers = renewed(Value::Array(parts), 4).expect("an answer");
        assert_eq!(answers[..2], [Ok(Renewed::Renewed), Ok(Renewed::NotOurs)]);
        assert_eq!(answers[2].as_ref().expect_err("an error").code(), Some("WRONGTYPE"));
        assert!(answers[3].is_err());
        assert!(renewed(refusal("NOPERM x"), 4).is_err());
        assert!(renewed(Value::Array(vec![Value::Int(1)]), 4).is_err());
    }

    #[test]
    fn strange_shapes_are_errors() {
        let shapes = [Value::Nil, Value::Okay, Value::Int(7), bulk("x"), Value::Array(vec![]), Value::Map(vec![])];
        for shape in shapes {
            assert!(minted(shape.clone()).is_err(), "{shape:?}");
            assert!(released(shape.clone()).is_err(), "{shape:?}");
            assert!(renewed(shape.clone(), 2).is_err(), "{shape:?}");
            assert!(taken(vec![shape.clone()], 0).is_err(), "{shape:?}");
            assert!(taken(vec![Value::Okay, bulk("x")], 0).is_err());
            assert_eq!(version_in_hello(&shape), None);
            assert_eq!(version_in_info(&shape), None);
        }
    }

    #[test]
    fn versions_are_found_and_compared() {
        let flat = Value::Array(vec![bulk("server"), bulk("redis"), bulk("version"), bulk("7.0.15")]);
        assert_eq!(version_in_hello(&flat).as_deref(), Some("7.0.15"));
        let map = Value::Map(vec![(bulk("version"), bulk("9.1.2"))]);
        assert_eq!(version_in_hello(&map).as_deref(), Some("9.1.2"));
        let info = bulk("# Server\r\nredis_version:5.0.7\r\nredis_mode:standalone\r\n");
        assert_eq!(version_in_info(&info).as_deref(), Some("5.0.7"));
        for old in ["6.0.16", "5.0.7", "2.8", "6.1.99"] {
            assert!(is_too_old(old), "{old}");
        }
        for fine in ["6.2", "6.2.0", "7.0.15", "10.0", "255.255.255", "unstable", ""] {
            assert!(!is_too_old(fine), "{fine}");
        }
    }
}
