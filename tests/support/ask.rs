//! Questions to a server, on a connection of the harness's own.
//!
//! They block for a millisecond or less, which a test on a runtime with several threads can afford. Deliberately
//! absent: anything that knows the keys of the lock library.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::{FromRedisValue, RedisResult, Value};

use crate::question;
use crate::server::Server;

impl Server {
    /// Sends a command and gives its answer, `command(&["SET", "a", "1"])`. Panics on an error.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> Value {
        self.ask(words)
    }

    /// Sends a command and gives its answer as a type, `ask::<i64>(&["INCR", "a"])`. Panics on an error.
    #[track_caller]
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap_or_else(|error| panic!("{words:?} on port {} failed: {error}", self.port()))
    }

    /// Sends a command and gives its answer as a type, or the error: the server's, or that it did not answer.
    pub fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        question::ask(&self.url(), words)
    }

    /// Changes a setting, now and over restarts.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.command(&["CONFIG", "SET", name, value]);
        self.keep_setting(name, value);
    }

    /// All keys but the cards of clients, sorted.
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.retain(|key| !is_card(key));
        keys.sort();
        keys
    }

    /// The names of all cards of clients, sorted.
    #[track_caller]
    pub fn cards(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*client:????????"]);
        keys.retain(|key| is_card(key));
        keys.sort();
        keys
    }

    /// The value of a string key.
    #[track_caller]
    pub fn get(&self, key: &str) -> Option<String> {
        let value: Option<Vec<u8>> = self.ask(&["GET", key]);
        value.map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// The milliseconds until a key expires; -1 for one that never does, -2 for one that is not there.
    #[track_caller]
    pub fn pttl(&self, key: &str) -> i64 {
        self.ask(&["PTTL", key])
    }

    /// Removes a key; whether it was there.
    #[track_caller]
    pub fn del(&self, key: &str) -> bool {
        self.ask(&["DEL", key])
    }

    /// Removes everything.
    #[track_caller]
    pub fn flushall(&self) {
        self.command(&["FLUSHALL"]);
    }

    /// How often each command ran since the start or [`Self::reset_commandstats`], by its lower-case name
    /// (`client|list` for a subcommand). The harness's own questions count as well: an earlier call of
    /// this one as an `info`, and none for the reset.
    #[track_caller]
    pub fn commandstats(&self) -> BTreeMap<String, u64> {
        let info: String = self.ask(&["INFO", "commandstats"]);
        info.lines().filter_map(commandstat).collect()
    }

    /// Starts the count of commands anew.
    #[track_caller]
    pub fn reset_commandstats(&self) {
        self.command(&["CONFIG", "RESETSTAT"]);
    }

    /// Returns when the key is gone; panics with what is left of it when it is still there after `within`.
    pub async fn until_gone(&self, key: &str, within: Duration) {
        let gone = until(within, || self.pttl(key) == -2).await;
        assert!(gone, "`{key}` is still there after {within:?}, PTTL {}", self.pttl(key));
    }

    /// Returns when the key is there; panics with the keys that are when it is not after `within`.
    pub async fn until_there(&self, key: &str, within: Duration) {
        let there = until(within, || self.pttl(key) != -2).await;
        assert!(there, "`{key}` is not there after {within:?}, but {:?}", self.keys());
    }
}

/// Waits for something that no event announces, whether it came in time. A look every five milliseconds is cheap, and
/// asking the server for key-space events instead would change what the tests measure.
async fn until(within: Duration, came: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        // Read before the look, so that a look is taken after the deadline however late we are.
        let late = Instant::now() >= deadline;
        if came() {
            return true;
        }
        if late {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// `cmdstat_get:calls=3,usec=9,...` as name and calls.
fn commandstat(line: &str) -> Option<(String, u64)> {
    let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
    let calls = rest.split(',').next()?.parse().ok()?;
    (name != "config|resetstat").then(|| (name.to_owned(), calls))
}

/// Whether a key is called as a client's card is.
fn is_card(key: &str) -> bool {
    let id = key.rsplit_once("client:").map(|(_, id)| id);
    id.is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
