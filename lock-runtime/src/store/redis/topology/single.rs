//! A single server: how sessions to it are opened.
//!
//! What must stay true: no session is handed out before the fence counter was raised to the server's clock (or the
//! session knows that it was not), nor one that listens before its subscription was confirmed; no password gets into an
//! error. Absent on purpose: reconnecting, which is decided above.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisError, Value};

use super::address;
use super::opener::Opener;
use super::role::{self, Unfit};
use crate::store::redis::node::fault;
use crate::store::redis::node::greeting::{greet, version};
use crate::store::redis::node::names::Names;
use crate::store::redis::node::session::RedisSession;
use crate::store::redis::node::state::NodeState;
use crate::store::redis::node::task::Task;
use crate::store::redis::node::wake::{self, Beside, Subscription};
use crate::store::redis::node::{quote, reply};
use crate::store::redis::settings::{RedisSettings, Unusable};
use crate::store::{ClockId, Listener, StoreError, StoreErrorKind};
use crate::system::random;

/// A server that keeps all locks of a store.
pub(crate) struct Single {
    state: Arc<NodeState>,
    client: Client,
    /// The same for connections over which the server pushes messages; none if that is not wanted.
    pushing: Option<Client>,
    /// The same for connections that begin with nothing that locks can do without.
    plain: Client,
    opener: Opener,
    config: AsyncConnectionConfig,
    operation_timeout: Duration,
    /// In which manners sessions that listen were opened, so that a later one that is cut off meanwhile is so by
    /// chance.
    worked: [AtomicBool; 3],
    /// Whether a session has led to a primary, so that a replica at the same address means a failover, not a wrong URL.
    had_primary: AtomicBool,
}

/// A new connection to a server that can keep locks.
struct Connected {
    connection: MultiplexedConnection,
    /// The task that reads and writes it, unless the connection has one of its own.
    task: Option<Task>,
    /// False if the server was out of memory, so that its counter was not raised.
    raised: bool,
    clock: ClockId,
}

/// The name of a clock that may be any server's: this connection's alone, so that it is compared with what it said
/// itself.
fn unknown_clock() -> Result<ClockId, StoreError> {
    match random::bits() {
        Ok(bits) => Ok(ClockId::from_bits(u64::try_from(bits >> 64).unwrap_or_default())),
        Err(error) => Err(StoreError::new(
            StoreErrorKind::Disconnected,
            "the operating system provided no random bits for the name of a clock",
        )
        .with_source(error)),
    }
}

impl Single {
    pub(crate) fn new(
        client: &Client,
        opener: Opener,
        settings: &RedisSettings,
        may_push: bool,
    ) -> Result<Self, Unusable> {
        let names = Names::new(&settings.namespace, settings.name_format.as_deref()).map_err(Unusable::Settings)?;
        let identity = address::identity(client.get_connection_info(), &names.fragment());
        let client = address::prepared(client, settings)?;
        let pushing = if may_push { Some(address::pushing(&client)?) } else { None };
        Ok(Self {
            state: Arc::new(NodeState::new(names, identity)),
            plain: address::plain(&client)?,
            client: address::without_push(&client)?,
            pushing,
            opener,
            config: address::config(settings),
            operation_timeout: settings.operation_timeout,
            worked: Default::default(),
            had_primary: AtomicBool::new(false),
        })
    }

    /// The server and the namespace on it, without credentials.
    pub(crate) fn identity(&self) -> &str {
        &self.state.identity
    }

    /// Connects, asks what the server is, and raises the counter.
    pub(crate) async fn open(&self) -> Result<RedisSession, StoreError> {
        let connected = match self.connected(&self.client, &self.config, Manner::Full).await {
            Err(failed) if failed.may_go_without => {
                self.connected(&self.plain, &self.config, Manner::Plain).await.map_err(Failed::of_all)?
            }
            connected => connected.map_err(|failed| failed.error)?,
        };
        Ok(self.session(connected, Subscription::none()))
    }

    /// The same, and subscribes to the listener's wake channel: over this connection if the server pushes, else over
    /// another.
    pub(crate) async fn listen(&self, listener: Listener) -> Result<RedisSession, StoreError> {
        if let Some(pushing) = &self.pushing {
            match self.listen_by_push(pushing, &listener).await {
                // It may have refused the protocol. If it was something else, that is refused again below.
                Err(failed) if failed.may_go_without || failed.error.kind() == StoreErrorKind::Refused => {}
                opened => return opened.map_err(|failed| failed.error),
            }
        }
        match self.listen_apart(&self.client, &listener, Manner::Full).await {
            Err(failed) if failed.may_go_without => {
                self.listen_apart(&self.plain, &listener, Manner::Plain).await.map_err(Failed::of_all)
            }
            opened => opened.map_err(|failed| failed.error),
        }
    }

    async fn listen_by_push(&self, pushing: &Client, listener: &Listener) -> Result<RedisSession, Failed> {
        let subscription = Subscription::none();
        let receiver = subscription.receiver_of_operations(&self.state, listener);
        let config = self.config.clone().set_push_sender(move |push| {
            receiver.on_push(&push);
            Ok::<(), Infallible>(())
        });
        let mut connected = self.connected(pushing, &config, Manner::Push).await?;
        let (connection, channel) = (&mut connected.connection, self.state.names.channel(listener.id()));
        let subscription = wake::subscribe_by_push(subscription, connection, channel, connected.clock).await;
        let subscription = subscription.map_err(|error| self.failed(error, Manner::Push))?;
        self.worked[Manner::Push as usize].store(true, Ordering::Relaxed);
        Ok(self.session(connected, subscription))
    }

    async fn listen_apart(&self, client: &Client, listener: &Listener, manner: Manner) -> Result<RedisSession, Failed> {
        let mut connected = self.connected(client, &self.config, manner).await?;
        let (connecting, at_most) = (self.opener.pubsub(client), self.operation_timeout);
        let connection = (manner != Manner::Plain).then_some(&mut connected.connection);
        let beside = Beside { connection, clock: connected.clock, unknown: unknown_clock()? };
        let subscription = wake::subscribe_apart(&self.state, listener, connecting, at_most, beside).await;
        let subscription = subscription.map_err(|error| self.failed(error, manner))?;
        self.worked[manner as usize].store(true, Ordering::Relaxed);
        Ok(self.session(connected, subscription))
    }

    fn session(&self, connected: Connected, subscription: Subscription) -> RedisSession {
        let Connected { connection, task, raised, clock } = connected;
        RedisSession::new((connection, task), Arc::clone(&self.state), (raised, clock), subscription)
    }

    /// A connection to a server that can keep locks.
    async fn connected(
        &self,
        client: &Client,
        config: &AsyncConnectionConfig,
        manner: Manner,
    ) -> Result<Connected, Failed> {
        let failed = |error| self.failed(error, manner);
        self.opener.is_ready()?;
        let opening = self.opener.connection(client, config, self.operation_timeout);
        let (mut connection, task) = opening.await.map_err(failed)?;
        let with_hello = manner != Manner::Plain;
        let greeting = greet(&mut connection, self.state.names.counter(), with_hello).await.map_err(failed)?;
        let refuse_unfit = |unfit: Option<Unfit>| {
            unfit.map_or(Ok(()), |unfit| Err(unfit.error(self.had_primary.load(Ordering::Relaxed))))
        };
        // Checked first: a replica answers READONLY to the raise, or executes it, which does a counter there no harm.
        refuse_unfit(role::unfit(&greeting.hello))?;
        let hello = greeting.hello.clone();
        let raised = match greeting.raised() {
            Ok(raised) => raised,
            Err(error) => return Err(self.cannot_raise(&mut connection, &hello, error, manner).await),
        };
        let [mode, role] = &raised.said;
        refuse_unfit(role::unfit_by(mode.as_deref(), role.as_deref()))?;
        self.had_primary.store(true, Ordering::Relaxed);
        let clock = raised.clock.map_or_else(unknown_clock, Ok)?;
        Ok(Connected { connection, task, raised: raised.counter, clock })
    }

    /// Why the script failed: if the server is too old for it, that says more than the error.
    async fn cannot_raise(
        &self,
        connection: &mut MultiplexedConnection,
        hello: &Value,
        error: RedisError,
        manner: Manner,
    ) -> Failed {
        let failed = self.failed(error, manner);
        if failed.error.kind() != StoreErrorKind::Refused {
            return failed;
        }
        match version(connection, hello).await.filter(|version| reply::is_too_old(version)) {
            Some(version) => {
                let text =
                    format!("{}; it is version {}; locks need 6.2 or newer", failed.error, quote::quoted(&version));
                StoreError::new(StoreErrorKind::Refused, text).with_source(failed.error).into()
            }
            None => failed,
        }
    }

    fn failed(&self, error: RedisError, manner: Manner) -> Failed {
        let by_chance = self.worked[manner as usize].load(Ordering::Relaxed);
        let may_go_without =
            (fault::is_cut(&error) && !by_chance) || (manner == Manner::Push && error.code().is_some());
        let password = self.client.get_connection_info().redis_settings().password();
        let error = fault::opening_error(error, self.state.names.counter(), password.unwrap_or_default());
        Failed { error, may_go_without }
    }
}

/// How a connection begins. What a server does not know is learnt by trying: what lies before it may refuse an unknown
/// command, or close the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// With RESP3.
    Push,
    /// With RESP2, the name of this library, and the question what the server is.
    Full,
    /// With nothing that locks can do without.
    Plain,
}

/// Why a connection cannot be used, and whether it is worth trying in a plainer manner.
struct Failed {
    error: StoreError,
    may_go_without: bool,
}

impl Failed {
    /// After it failed in every manner.
    fn of_all(self) -> StoreError {
        if !self.may_go_without {
            return self.error;
        }
        let text = "the server, or a proxy before it, closes connections instead of answering to the first commands, \
                    with HELLO and CLIENT and without; locks need EVAL";
        StoreError::new(self.error.kind(), text).with_source(self.error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, may_go_without: false }
    }
}
