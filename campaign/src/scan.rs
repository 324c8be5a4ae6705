//! Looks at the keys of the primary all the time, on connections of its own: each expires some day. And says for a
//! reader what there is of one lock.
//!
//! Deliberately absent: understanding what the keys hold.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use redis::{Client, Connection, RedisResult};

use super::clock::now;
use super::history::{Seen, SeenKind};

/// What a stranger writes into a lock key.
pub(crate) const STRANGER: &str = "stranger";
/// The pause between two looks: short against any ttl, and cheap.
const PAUSE: Duration = Duration::from_millis(10);
const ANSWER: Duration = Duration::from_millis(500);
/// The names of all keys but the counter and the cards of clients, and among all those that never expire: a worker that
/// is killed leaves its card for three minutes.
const LOOK: &str = "
local immortal, all = {}, {}
for _, key in ipairs(redis.call('KEYS', 'dlock:*')) do
    if key ~= 'dlock:fence' then
        if string.sub(key, 1, 13) ~= 'dlock:client:' then all[#all + 1] = key end
        local strangers = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) == ARGV[1]
        if redis.call('PTTL', key) == -1 and not strangers then immortal[#immortal + 1] = key end
    end
end
return {all, immortal}";

/// What the keys hold whose names begin so, and for how many milliseconds still.
const TELL: &str = "
local told = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
    local held = redis.call('TYPE', key).ok
    if held == 'string' then held = redis.call('GET', key) end
    if held == 'zset' then held = table.concat(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), ' ') end
    told[#told + 1] = key .. ' for ' .. redis.call('PTTL', key) .. ' ms: ' .. held
end
return table.concat(told, '; ')";

/// What one look sees: all keys, and those that never expire.
type Look = (BTreeSet<String>, BTreeSet<String>);

/// Looks until it is told to stop, and says what it saw that must not be.
pub(crate) fn scan(primary: &AtomicU16, stop: &AtomicBool) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut known = BTreeSet::new();
    let (mut connection, mut port) = (None, 0);
    while !stop.load(Ordering::Relaxed) {
        let led_to = primary.load(Ordering::Relaxed);
        if std::mem::replace(&mut port, led_to) != led_to {
            connection = None;
        }
        match look(port, &mut connection) {
            Ok((_, immortal)) => {
                seen.extend(immortal.iter().filter(|key| known.insert((*key).clone())).map(|key| stray(key)));
            }
            // The server is someone else's to trouble.
            Err(_) => connection = None,
        }
        // Keys are looked at all the time; no event tells of one that never expires.
        std::thread::sleep(PAUSE);
    }
    seen
}

/// Waits until no key is left but the counter; those that are after `patience`.
pub(crate) fn leftovers(port: u16, patience: Duration) -> Vec<Seen> {
    let deadline = Instant::now() + patience;
    let mut connection = None;
    loop {
        let looked = look(port, &mut connection);
        match looked {
            Ok((all, _)) if all.is_empty() => return Vec::new(),
            Ok((all, _)) if Instant::now() >= deadline => return all.iter().map(|key| left_over(port, key)).collect(),
            Err(error) if Instant::now() >= deadline => panic!("the server does not answer after all: {error}"),
            Ok(_) => {}
            Err(_) => connection = None,
        }
        // The last key goes by a release or by its ttl, and a server announces neither.
        std::thread::sleep(PAUSE);
    }
}

/// What the keys hold just now whose names begin so, for a reader.
pub(crate) fn told(port: u16, name: &str) -> String {
    let asked = connect(port)
        .and_then(|mut connection| redis::cmd("EVAL").arg(TELL).arg(0).arg(name).query::<String>(&mut connection));
    match asked {
        Ok(told) if told.is_empty() => "nothing".to_owned(),
        Ok(told) => told,
        Err(error) => format!("no answer: {error}"),
    }
}

fn stray(key: &str) -> Seen {
    Seen { at: now(), kind: SeenKind::StrayKey, what: format!("`{key}` never expires") }
}

fn left_over(port: u16, key: &str) -> Seen {
    Seen { at: now(), kind: SeenKind::StrayKey, what: format!("`{key}` was left over: {}", told(port, key)) }
}

fn look(port: u16, connection: &mut Option<Connection>) -> RedisResult<Look> {
    if connection.is_none() {
        *connection = Some(connect(port)?);
    }
    let connection = connection.as_mut().expect("it was made just now");
    redis::cmd("EVAL").arg(LOOK).arg(0).arg(STRANGER).query(connection)
}

fn connect(port: u16) -> RedisResult<Connection> {
    let connection = Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection_with_timeout(ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    Ok(connection)
}
