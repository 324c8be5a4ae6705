//! The entry points of fuzz targets, compiled only under `--cfg fuzzing`.

use ::redis::{Value, parse_redis_value};

use super::node::names::Names;
use super::node::reply;
use super::topology::role;
use crate::store::{Acquired, ClockId, Released, Renewed, Rotated};

/// Reads these bytes as a reply to every command. Panics if they are taken for something that they do not say.
pub fn read_any_reply(bytes: &[u8]) {
    let Ok(value) = parse_redis_value(bytes) else { return };
    let clock = ClockId::from_bits(0);
    let begins_with_one = matches!(&value, Value::Array(parts) if parts.first().is_some_and(is_one));
    if let Ok(reply::Minted::Known(Acquired::Granted { .. })) = reply::minted(value.clone(), clock) {
        assert!(begins_with_one, "granted by {value:?}");
    }
    if let Ok(Rotated::Retained { .. }) = reply::rotated(value.clone(), clock) {
        assert!(begins_with_one, "goes on by {value:?}");
    }
    if let Ok(Released::Freed) = reply::released(value.clone()) {
        assert_eq!(value, Value::Int(1));
    }
    if let Ok(true) = reply::freed(value.clone()) {
        assert_eq!(value, Value::Int(1));
    }
    if let (Value::Int(all), Ok(renewed)) = (&value, reply::renewed(value.clone(), 2)) {
        assert_eq!((*all, renewed.len()), (2, 2));
    }
    if let Value::Array(parts) = &value {
        let renewed = reply::renewed(value.clone(), parts.len()).unwrap_or_default();
        for (answer, part) in renewed.iter().zip(parts) {
            assert!(!matches!(answer, Ok(Renewed::Renewed)) || *part == Value::Int(1), "renewed by {part:?}");
        }
        let _ = reply::taken(parts.clone(), 0);
    }
    let names = Names::new("dlock", None).expect("valid names");
    let _ = (reply::grant(&value, &names, clock), reply::clock_in_raised(&value), reply::version_in_info(&value));
    if let Some(version) = reply::said_in_hello(&value, "version") {
        let _ = reply::is_too_old(&version);
    }
    let _ = role::unfit(&value);
}

/// As a number or as text, be it `+1` or `01`.
fn is_one(value: &Value) -> bool {
    match value {
        Value::Int(number) => *number == 1,
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).parse() == Ok(1),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.parse() == Ok(1),
        _ => false,
    }
}
