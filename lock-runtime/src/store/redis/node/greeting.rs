//! The first exchange over a new connection: asks what the server is, raises its fence counter to its clock, and learns
//! which clock that is.
//!
//! What must stay true: both are sent in one write, before anything else. Absent on purpose: whether such a server can
//! keep locks, which the caller decides by the answer.

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, RedisError, Value};

use super::fault;
use super::reply;
use super::script::{self, Arguments};
use crate::store::ClockId;

/// A server's answers to the greeting.
pub(crate) struct Greeting {
    hello: Value,
    raised: Value,
}

/// What `raise.lua` has done.
pub(crate) struct Raised {
    /// False if the server was out of memory.
    pub(crate) counter: bool,
    /// None if the server did not say which process it is: the user may not ask, or the server is older than 7.0.
    pub(crate) clock: Option<ClockId>,
}

/// Asks what the server is and raises the counter, in one write.
pub(crate) async fn greet(connection: &mut MultiplexedConnection, counter: &str) -> Result<Greeting, RedisError> {
    let mut commands = Pipeline::with_capacity(2);
    commands.cmd("HELLO").add_command(script::by_text(script::RAISE, &Raise(counter)));
    let replies = connection.send_packed_commands(&commands, 0, 2).await?;
    match <[Value; 2]>::try_from(replies) {
        Ok([hello, raised]) => Ok(Greeting { hello, raised }),
        Err(_) => Err(fault::unexpected("HELLO and EVAL")),
    }
}

impl Greeting {
    /// What the server says about itself.
    pub(crate) fn hello(&self) -> &Value {
        &self.hello
    }

    /// The server's version, asked for once more if the greeting did not give it. None if that is refused too.
    pub(crate) async fn version(&self, connection: &mut MultiplexedConnection) -> Result<Option<String>, RedisError> {
        let said = reply::said_in_hello(&self.hello, "version");
        if said.is_some() {
            return Ok(said);
        }
        let mut info = Cmd::new();
        info.arg("INFO").arg("server");
        let reply = connection.send_packed_command(&info).await?;
        Ok(reply::version_in_info(&reply))
    }

    /// Whether the counter was raised, and which clock the server has.
    pub(crate) fn raised(self) -> Result<Raised, RedisError> {
        match self.raised.extract_error() {
            Ok(reply) => Ok(Raised { counter: true, clock: reply::clock_in_raised(&reply) }),
            Err(error) if fault::code(&error) == Some("OOM") => Ok(Raised { counter: false, clock: None }),
            Err(error) => Err(error),
        }
    }
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
