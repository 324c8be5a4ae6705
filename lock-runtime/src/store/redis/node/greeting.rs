//! The first exchange over a new connection: asks what the server is, raises its fence counter to its clock, and learns
//! which clock that is.
//!
//! What must stay true: both are sent in one write, before anything else; what a server can do is learnt by doing it,
//! and never from its version, which is for texts alone. Absent on purpose: whether such a server can keep locks, which
//! the caller decides by the answer.

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, RedisError, Value};

use super::fault;
use super::reply;
use super::script::{self, Arguments};
use crate::store::ClockId;

/// A server's answers to the greeting.
pub(crate) struct Greeting {
    /// Nil if it was not asked.
    pub(crate) hello: Value,
    raised: Value,
}

/// What `raise.lua` has done.
pub(crate) struct Raised {
    /// False if the server was out of memory.
    pub(crate) counter: bool,
    /// None if the server did not say which process it is: the user may not ask, or the server is older than 7.0.
    pub(crate) clock: Option<ClockId>,
    /// What else the server said of itself there: its mode, and its role.
    pub(crate) said: [Option<String>; 2],
}

/// Asks what the server is, unless it is to be left out, and raises the counter, in one write.
pub(crate) async fn greet(
    connection: &mut MultiplexedConnection,
    counter: &str,
    with_hello: bool,
) -> Result<Greeting, RedisError> {
    let mut commands = Pipeline::with_capacity(2);
    if with_hello {
        commands.cmd("HELLO");
    }
    commands.add_command(script::by_text(script::RAISE, &Raise(counter)));
    let replies = connection.send_packed_commands(&commands, 0, 1 + usize::from(with_hello)).await?;
    let mut replies = replies.into_iter();
    let hello = if with_hello { replies.next() } else { Some(Value::Nil) };
    match (hello, replies.next()) {
        (Some(hello), Some(raised)) => Ok(Greeting { hello, raised }),
        _ => Err(fault::unexpected("HELLO and EVAL")),
    }
}

impl Greeting {
    /// Whether the counter was raised, and what the server said of itself.
    pub(crate) fn raised(self) -> Result<Raised, RedisError> {
        let (clock, said) = (None, [None, None]);
        match self.raised.extract_error() {
            Ok(reply) => {
                let said = [reply::said_in_raised(&reply, 2), reply::said_in_raised(&reply, 3)];
                Ok(Raised { counter: true, clock: reply::clock_in_raised(&reply), said })
            }
            Err(error) if fault::code(&error) == Some("OOM") => Ok(Raised { counter: false, clock, said }),
            Err(error) => Err(error),
        }
    }
}

/// The server's version, for a text: as its reply to HELLO says, or else as it says when it is asked.
pub(crate) async fn version(connection: &mut MultiplexedConnection, hello: &Value) -> Option<String> {
    if let said @ Some(_) = reply::said_in_hello(hello, "version") {
        return said;
    }
    let mut info = Cmd::new();
    info.arg("INFO").arg("server");
    let reply = connection.send_packed_command(&info).await.ok()?;
    reply::version_in_info(&reply)
}

/// For `raise.lua`.
struct Raise<'a>(&'a str);

impl Arguments for Raise<'_> {
    fn keys(&self) -> usize {
        1
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn write(&self, command: &mut Cmd) {
        command.arg(self.0);
    }
}
