//! What an error of the redis crate means to the layers above: use another session, try later, or give up.
//!
//! The error's code decides, never its text, except for the general code `ERR`, whose text says what it stands for. The
//! error itself is kept as an opaque source, without what must not be shown (`quote`). Absent on purpose: what to do
//! about it.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::sync::Arc;

use ::redis::{ErrorKind, RedisError};

use super::names::{Name, shown};
use super::quote;
use crate::store::{StoreError, StoreErrorKind};

use StoreErrorKind::{Disconnected, Refused, Unready};

/// What an error is about, for its message.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// The name of the counter of fences.
    pub(crate) counter: &'a str,
    /// The lock and the queue, unless a session was being opened.
    pub(crate) lock: Option<Name<'a>>,
    pub(crate) queue: Option<Name<'a>>,
}

/// Turns an error of the redis crate into one of ours.
pub(crate) fn store_error(error: RedisError, about: About<'_>) -> StoreError {
    let (kind, message) = meaning(&error, about);
    StoreError::new(kind, message).with_source(quote::showable(error))
}

/// What to do about an error, whatever it is about.
pub(crate) fn kind(error: &RedisError) -> StoreErrorKind {
    meaning(error, About { counter: "", lock: None, queue: None }).0
}

/// What an error means while a session is opened. There is no session to retry over, so all but a refusal is
/// "disconnected".
pub(crate) fn opening_error(error: RedisError, counter: &str, password: &str) -> StoreError {
    if is_handshake_failure(&error) {
        let text = "the TLS handshake failed; is it a TLS port, and is its certificate trusted?";
        return StoreError::new(Refused, text).with_source(error);
    }
    let (kind, message) = match error.to_string().contains("refused to switch database") {
        // Why it did is in the source, without its code.
        true => (Refused, "the server refused to switch to the database that the URL names".into()),
        false => meaning(&error, About { counter, lock: None, queue: None }),
    };
    // Nothing else will answer there.
    let kind = if message == CLUSTER_MODE { Refused } else { kind };
    let told = StoreError::new(if kind == Refused { Refused } else { Disconnected }, message);
    // Some servers repeat the command that they refuse, and the password in it.
    let is_secret = !password.is_empty() && error.to_string().contains(password);
    if is_secret { told } else { told.with_source(quote::showable(error)) }
}

/// Whether TLS itself failed, rather than the connection under it.
fn is_handshake_failure(error: &RedisError) -> bool {
    let shared = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    shared
        .and_then(|shared| shared.downcast_ref::<io::Error>())
        .is_some_and(|io| io.kind() == io::ErrorKind::InvalidData)
}

/// A reply that no version of the protocol or of our scripts gives.
pub(crate) fn unexpected(reply_to: &'static str) -> RedisError {
    (ErrorKind::UnexpectedReturnType, reply_to).into()
}

/// A connection brings replies to other commands, or its subscription has ended: only a new one helps.
pub(crate) fn out_of_step() -> RedisError {
    io::Error::from(io::ErrorKind::ConnectionAborted).into()
}

/// An error from the text that a script reports for one of its keys: `CODE detail`.
pub(crate) fn from_text(text: &str) -> RedisError {
    let text = text.trim_start_matches('-');
    let (code, detail) = text.split_once(' ').unwrap_or((text, ""));
    ::redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
}

fn meaning(error: &RedisError, about: About<'_>) -> (StoreErrorKind, Cow<'static, str>) {
    match error.kind() {
        ErrorKind::Io => (Disconnected, "the server cannot be reached, or the connection to it was lost".into()),
        ErrorKind::Parse => (Disconnected, "the server does not speak the Redis protocol".into()),
        ErrorKind::UnexpectedReturnType => {
            (Refused, "the server sent an unexpected reply; is there a proxy in between?".into())
        }
        ErrorKind::AuthenticationFailed => (Refused, "the server rejected the user name or the password".into()),
        _ => match code(error) {
            Some(code) => meaning_of_code(code, error.detail().unwrap_or_default(), about),
            None => (Refused, "the settings of the connection are invalid".into()),
        },
    }
}

fn meaning_of_code(code: &str, detail: &str, about: About<'_>) -> (StoreErrorKind, Cow<'static, str>) {
    let (kind, message) = match code {
        "READONLY" => (Disconnected, "the server is a replica and takes no writes"),
        "LOADING" => (Disconnected, "the server is still loading its data"),
        "MASTERDOWN" => (Disconnected, "the server is a replica that has lost its primary"),
        "CLUSTERDOWN" => (Unready, "the cluster is down"),
        "MOVED" | "ASK" => (Unready, CLUSTER_MODE),
        "CROSSSLOT" => (Refused, CLUSTER_MODE),
        "BUSY" => (Unready, "the server is busy running a script"),
        "OOM" => (Unready, "the server is out of memory"),
        "NOREPLICAS" => (Unready, "the server has too few replicas to take writes"),
        "TRYAGAIN" => (Unready, "the cluster is moving the key"),
        "MISCONF" => (Unready, "the server rejects writes because it cannot save to disk"),
        "NOPERM" => (Refused, "the user has no permission for a command or key that locks need"),
        "NOAUTH" => (Refused, "the server requires a password, and the URL has none"),
        "WRONGPASS" => (Refused, "the server rejected the user name or the password"),
        "WRONGTYPE" | "QUEUEBAD" | "FENCEBAD" => return (Refused, bad_key(code, about).into()),
        "ERR" => return meaning_of_err(detail),
        // A proxy's, perhaps, which passes.
        _ => (Unready, "the server, or a proxy before it, answered with an unknown error"),
    };
    (kind, message.into())
}

fn bad_key(code: &str, about: About<'_>) -> String {
    match about {
        About { lock: Some(name), .. } if code == "WRONGTYPE" => {
            format!("key `{name}` is not a lock, it holds another type; delete it or use another namespace")
        }
        About { queue: Some(name), .. } if code == "QUEUEBAD" => {
            format!("key `{name}` is not a queue of waiters; delete it or use another namespace")
        }
        About { counter, .. } => format!(
            "key `{}` is the fence counter and holds no number below 2^53; \
             delete it (counting continues from the server's clock) or use another namespace",
            shown(counter)
        ),
    }
}

/// What a node of a cluster is told apart by, once it is asked for something.
pub(crate) const CLUSTER_MODE: &str =
    "the server is a node of a cluster, which is not supported; point the URL at a server without cluster mode";

/// Whether an error about a batch may be about one of its keys alone.
pub(crate) fn may_be_of_one_key(error: &RedisError) -> bool {
    let of_the_server = ["BUSY", "OOM", "NOREPLICAS", "MISCONF", "CLUSTERDOWN"];
    kind(error) != Disconnected && !code(error).is_some_and(|code| of_the_server.contains(&code))
}

/// Whether a connection was closed, or brought something that is no reply of the protocol, in answer to a command.
pub(crate) fn is_cut(error: &RedisError) -> bool {
    let closed = error.is_connection_dropped() && !error.is_connection_refusal();
    closed || matches!(error.kind(), ErrorKind::Parse | ErrorKind::UnexpectedReturnType)
}

/// The general code, whose text has to be read.
fn meaning_of_err(detail: &str) -> (StoreErrorKind, Cow<'static, str>) {
    if let Some(command) = unknown_command(detail) {
        return (Refused, format!("the server lacks a command that locks need: {}", quote::quoted(command)).into());
    }
    let (kind, text) = if detail.starts_with("max number of clients") {
        (Disconnected, "the server has too many clients")
    } else if detail.contains("DB index is out of range") {
        (Refused, "the server has no database of that number")
    } else if detail.contains("cluster mode") {
        (Refused, CLUSTER_MODE)
    } else if ["user_script", "Error running script", "Error compiling script"].iter().any(|said| detail.contains(said))
    {
        (Refused, "a script of locks failed at the server")
    } else {
        // A proxy's, perhaps, which passes.
        (Unready, "the server, or a proxy before it, answered with an error")
    };
    (kind, text.into())
}

/// The name in "unknown command 'EVAL', with args beginning with: ..".
fn unknown_command(detail: &str) -> Option<&str> {
    let lacks = ["unknown command", "unknown Redis command", "Unknown Redis command"];
    let rest = lacks.iter().find_map(|lack| detail.strip_prefix(lack))?;
    let quoted = rest.trim_start().trim_start_matches(['\'', '`']);
    // Only the name: its arguments follow, and one of them may be a password.
    Some(quoted.split(['\'', '`', ',', ' ']).next().unwrap_or(quoted))
}

/// The code of a server's error, also if a command in a script raised it, which not every server passes on unchanged.
/// Servers before 7 put `Error running script` or `@user_script` before it, and some have no code for a missing
/// permission in a script.
pub(crate) fn code(error: &RedisError) -> Option<&str> {
    let (code, detail) = (error.code()?, error.detail().unwrap_or_default());
    let is_bare = code.starts_with("@user_script");
    if !is_bare && code != "ERR" {
        return Some(code);
    }
    if NO_RIGHT_IN_SCRIPT.iter().any(|text| detail.contains(text)) {
        return Some("NOPERM");
    }
    if is_bare || detail.starts_with("Error running script") {
        let mut words = detail.split([' ', ':']).map(|word| word.trim_start_matches('-'));
        return words.find(|word| RAISED.contains(word)).or(Some("ERR"));
    }
    Some(code)
}

/// The codes that are looked for in an older server's text about a script.
const RAISED: [&str; 7] = ["READONLY", "MASTERDOWN", "OOM", "NOREPLICAS", "NOPERM", "WRONGTYPE", "MISCONF"];

/// How servers say `NOPERM` about a command in a script.
const NO_RIGHT_IN_SCRIPT: [&str; 2] = ["The user executing the script can't run this command", "ACL failure in script"];

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;

    fn kind_and_text(text: &str) -> (StoreErrorKind, String) {
        let names = Names::new("dlock", None).expect("valid names");
        let key = "a".into();
        let (lock, queue) = (Some(names.lock(&key)), Some(names.queue(&key)));
        let error = store_error(from_text(text), About { counter: names.counter(), lock, queue });
        (error.kind(), error.to_string())
    }

    #[test]
    fn codes_decide() {
        for text in
            ["READONLY You can't write", "LOADING Redis is", "MASTERDOWN Link", "ERR max number of clients reached"]
        {
            assert_eq!(kind_and_text(text).0, Disconnected, "{text}");
        }
        for text in ["BUSY Redis is", "OOM command not", "NOREPLICAS Not", "TRYAGAIN Multiple", "-OOM command"] {
            assert_eq!(kind_and_text(text).0, Unready, "{text}");
        }
        // About one key, or a proxy's: neither closes what others use, and both may pass.
        for text in ["CLUSTERDOWN The", "MOVED 1 h:1", "ASK 1 h:1", "ERR upstream failure", "DENIED by a rule", ""] {
            assert_eq!(kind_and_text(text).0, Unready, "{text}");
        }
        for text in [
            "NOPERM this",
            "NOAUTH A",
            "WRONGPASS x",
            "WRONGTYPE x",
            "QUEUEBAD x",
            "CROSSSLOT Keys in request",
            "ERR DB index is out of range",
            "ERR SELECT is not allowed in cluster mode",
            "ERR unknown command 'EVAL', with",
            "FENCEBAD",
        ] {
            assert_eq!(kind_and_text(text).0, Refused, "{text}");
        }
    }

    #[test]
    fn errors_that_old_servers_wrap_are_unwrapped() {
        let wrapped = "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: ";
        assert_eq!(kind_and_text(&format!("{wrapped}-READONLY You can't write")).0, Disconnected);
        assert_eq!(kind_and_text(&format!("{wrapped}-OOM command not allowed")).0, Unready);
        assert_eq!(kind_and_text(&format!("{wrapped}some Lua mistake")).0, Refused);
        assert_eq!(kind_and_text("@user_script: 27: -NOREPLICAS Not enough good replicas to write.").0, Unready);
    }

    #[test]
    fn a_missing_command_is_named() {
        let text = "ERR unknown command 'EVALSHA', with args beginning with: 'ab'";
        assert!(kind_and_text(text).1.ends_with(": EVALSHA"));
        assert!(kind_and_text("ERR unknown command `EVAL`, with").1.ends_with(": EVAL"));
        assert!(kind_and_text("ERR unknown command AUTH secret").1.ends_with(": AUTH"));
    }

    #[test]
    fn a_missing_right_is_told_whatever_the_server_calls_it() {
        let said = [
            "NOPERM this user has no permissions to run the 'set' command",
            "ERR The user executing the script can't run this command or subcommand script: 1b, on @user_script:52.",
            "@user_script: 17: The user executing the script can't run this command or subcommand",
            "ERR ACL failure in script: User app has no permissions to run the 'set' command",
        ];
        for text in said {
            assert!(kind_and_text(text).1.contains("no permission"), "{text}");
        }
    }

    #[test]
    fn io_errors_lose_the_connection() {
        let about = About { counter: "fence", lock: None, queue: None };
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionRefused] {
            assert_eq!(store_error(io::Error::from(kind).into(), about).kind(), Disconnected);
        }
    }

    #[test]
    fn bad_keys_are_named() {
        assert!(kind_and_text("WRONGTYPE Operation").1.contains("`dlock:{a}` is not a lock"));
        assert!(kind_and_text("QUEUEBAD the queue").1.contains("`dlock:{a}:queue` is not a queue"));
        assert!(kind_and_text("FENCEBAD the counter").1.contains("`dlock:fence`"));
    }
}
