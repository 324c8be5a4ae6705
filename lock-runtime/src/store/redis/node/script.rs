//! The scripts, and how they are called: by hash, or by text where the server may not have them.
//!
//! A session sends a script's text the first time, which keeps its operations in order on a fresh server. After that it
//! sends the hash, even before the first reply: otherwise very many concurrent calls would each send ten kilobytes. If
//! the server has forgotten the script (`NOSCRIPT`), sending it again would put it behind whatever was sent in the
//! meantime, perhaps behind the release of its own token. What must stay true: [`call`] and [`call_each`], which send
//! it again at once, are for scripts that then do nothing; [`call_once`], which does not, is for the others.
//!
//! | script | behind a release of its token |
//! |---|---|
//! | `renew`, `renew_set`, `downgrade`, `free`, `release`, `repair` | they compare the token, and it holds nothing: neither what was freed nor what is kept |
//! | `look` | it would take the free key, or queue, for nobody: once |
//! | `rotate` | it compares the token, but queues another, of which a release may have been sent: once |
//!
//! Behind anything else of its token, a renewal extends what is still held, and a release has the last word.
//! Absent on purpose: what the scripts do (their headers say it) and what their replies mean.

use std::sync::atomic::{AtomicBool, Ordering};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, RedisError, ServerErrorKind, Value};
use once_cell::sync::OnceCell;

/// How many scripts are called by hash.
const SCRIPTS: usize = 8;

/// A constant script, and its index in [`Known`].
pub(crate) struct Script {
    text: &'static str,
    place: usize,
    hash: OnceCell<String>,
}

/// A script, concatenated from its files.
macro_rules! lua {
    ($($file:literal)+) => { concat!($(include_str!(concat!("../lua/", $file))),+) };
}

/// Raises the fence counter. Always sent by text.
pub(crate) const RAISE: &str = lua!("fence.lua" "raise.lua");

/// Reserves the fence of a grant that got none.
pub(crate) static REPAIR: Script = Script::new(0, lua!("fence.lua" "repair.lua"));

/// Takes a lock that is free, or queues and says how long it is held.
pub(crate) static LOOK: Script = Script::new(1, lua!("fence.lua" "queue.lua" "sets.lua" "look.lua"));

/// Renews a batch of leases.
pub(crate) static RENEW: Script = Script::new(2, lua!("renew.lua"));

/// Frees a lock for which nobody waits.
pub(crate) static FREE: Script = Script::new(5, lua!("free.lua"));

/// Releases a lock, whoever waits for it.
pub(crate) static RELEASE: Script = Script::new(3, lua!("fence.lua" "queue.lua" "sets.lua" "release.lua"));

/// Hands a lock over, or retains it.
pub(crate) static ROTATE: Script = Script::new(4, lua!("fence.lua" "queue.lua" "sets.lua" "rotate.lua"));

/// Renews a batch of leases that are held beside others.
pub(crate) static RENEW_SET: Script = Script::new(6, lua!("renew_set.lua"));

/// Makes an exclusive lease a shared one.
pub(crate) static DOWNGRADE: Script = Script::new(7, lua!("fence.lua" "queue.lua" "sets.lua" "downgrade.lua"));

impl Script {
    const fn new(place: usize, text: &'static str) -> Self {
        Self { text, place, hash: OnceCell::new() }
    }

    /// The hash by which a server knows the script; computed once.
    fn hash(&self) -> &str {
        self.hash.get_or_init(|| sha1_smol::Sha1::from(self.text).digest().to_string())
    }
}

/// Which scripts were sent to a server over one connection.
#[derive(Default)]
pub(crate) struct Known([AtomicBool; SCRIPTS]);

impl Known {
    fn has(&self, script: &Script) -> bool {
        self.0[script.place].load(Ordering::Relaxed)
    }

    /// Notes the replies to calls by text. A server that was too busy, or refused, has not kept the text.
    fn note(&self, script: &Script, replies: &[Value]) {
        if replies.iter().any(|reply| !matches!(reply, Value::ServerError(_))) {
            self.0[script.place].store(true, Ordering::Relaxed);
        }
    }

    fn forget(&self, script: &Script) {
        self.0[script.place].store(false, Ordering::Relaxed);
    }
}

/// What a call sends besides the script: the number of keys, then keys and arguments.
pub(crate) trait Arguments {
    /// How many arguments are keys.
    fn keys(&self) -> usize;
    /// About how many bytes keys and arguments have.
    fn bytes(&self) -> usize;
    /// Writes keys, then arguments.
    fn write(&self, command: &mut Cmd);
}

/// Calls a script, and again by its text if the server has forgotten it.
pub(crate) async fn call(
    connection: &mut MultiplexedConnection,
    known: &Known,
    script: &Script,
    arguments: &impl Arguments,
) -> Result<Value, RedisError> {
    match call_once(connection, known, script, arguments).await? {
        Some(reply) => Ok(reply),
        None => first_call(connection, known, script, arguments).await,
    }
}

/// Calls a script, if the server has it. If not, nothing was done, and the next call sends the text.
pub(crate) async fn call_once(
    connection: &mut MultiplexedConnection,
    known: &Known,
    script: &Script,
    arguments: &impl Arguments,
) -> Result<Option<Value>, RedisError> {
    if !known.has(script) {
        return first_call(connection, known, script, arguments).await.map(Some);
    }
    let reply = connection.send_packed_command(&by_hash(script, arguments)).await?;
    if is_forgotten(&reply) {
        known.forget(script);
        return Ok(None);
    }
    Ok(Some(reply))
}

async fn first_call(
    connection: &mut MultiplexedConnection,
    known: &Known,
    script: &Script,
    arguments: &impl Arguments,
) -> Result<Value, RedisError> {
    // What is sent behind it over the same connection finds the script there: a server executes in order.
    let on_its_way = OnItsWay::new(known, script);
    let reply = connection.send_packed_command(&by_text(script.text, arguments)).await?;
    on_its_way.answered(&reply);
    Ok(reply)
}

/// A script's text that was sent and is not answered yet; if it never is, the next call sends the text again.
struct OnItsWay<'a> {
    known: &'a Known,
    script: &'a Script,
}

impl<'a> OnItsWay<'a> {
    fn new(known: &'a Known, script: &'a Script) -> Self {
        known.0[script.place].store(true, Ordering::Relaxed);
        Self { known, script }
    }

    fn answered(self, reply: &Value) {
        if !matches!(reply, Value::ServerError(_)) {
            std::mem::forget(self);
        }
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.known.forget(self.script);
    }
}

/// Calls a script for each of several arguments, in one write.
///
/// `NOSCRIPT` is about its own call only: the calls behind it were executed.
pub(crate) async fn call_each<A: Arguments>(
    connection: &mut MultiplexedConnection,
    known: &Known,
    script: &Script,
    calls: &[A],
) -> Result<Vec<Value>, RedisError> {
    let mut replies = vec![Value::Nil; calls.len()];
    let mut unanswered: Vec<usize> = (0..calls.len()).collect();
    if known.has(script) {
        send_each(connection, &mut replies, &unanswered, |n| by_hash(script, &calls[n])).await?;
        unanswered.retain(|&n| is_forgotten(&replies[n]));
    }
    if !unanswered.is_empty() {
        send_each(connection, &mut replies, &unanswered, |n| by_text(script.text, &calls[n])).await?;
        known.note(script, &replies);
    }
    Ok(replies)
}

/// Sends a command for each of some numbers and puts the replies at those numbers.
async fn send_each(
    connection: &mut MultiplexedConnection,
    replies: &mut [Value],
    numbers: &[usize],
    command: impl Fn(usize) -> Cmd,
) -> Result<(), RedisError> {
    let mut pipeline = Pipeline::with_capacity(numbers.len());
    for &n in numbers {
        pipeline.add_command(command(n));
    }
    let answers = connection.send_packed_commands(&pipeline, 0, numbers.len()).await?;
    for (&n, answer) in numbers.iter().zip(answers) {
        replies[n] = answer;
    }
    Ok(())
}

/// A call by text.
pub(crate) fn by_text(text: &str, arguments: &impl Arguments) -> Cmd {
    written("EVAL", text, arguments)
}

fn by_hash(script: &Script, arguments: &impl Arguments) -> Cmd {
    written("EVALSHA", script.hash(), arguments)
}

fn written(name: &str, script: &str, arguments: &impl Arguments) -> Cmd {
    // Sized to include the lengths, so that the buffer does not grow while the command is written.
    let mut command = Cmd::with_capacity(3 * arguments.keys() + 6, name.len() + script.len() + 8 + arguments.bytes());
    command.arg(name).arg(script).arg(arguments.keys());
    arguments.write(&mut command);
    command
}

fn is_forgotten(reply: &Value) -> bool {
    match reply {
        Value::ServerError(error) => error.kind() == Some(ServerErrorKind::NoScript),
        _ => false,
    }
}
