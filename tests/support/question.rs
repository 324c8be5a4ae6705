//! One question to a server, on a new connection.
//!
//! So a restart or a cut of everybody's connections concerns none. An answer that does not come within two seconds is
//! an error.

use std::time::Duration;

use redis::{Client, FromRedisValue, IntoConnectionInfo as _, RedisResult};

/// How long a connection or an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Sends a command to the server of this URL, and gives its answer as a type, or the error.
pub(crate) fn ask<T: FromRedisValue>(url: &str, words: &[&str]) -> RedisResult<T> {
    let info = url.into_connection_info()?;
    // Otherwise each connection introduces itself, which `commandstats` would count.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    let mut connection = Client::open(info.set_redis_settings(settings))?.get_connection_with_timeout(ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query(&mut connection)
}
