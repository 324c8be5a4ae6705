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
use ::redis::{AsyncConnectionConfig, Client, RedisError};

use super::address;
use super::role;
use crate::store::redis::node::fault;
use crate::store::redis::node::greeting::greet;
use crate::store::redis::node::names::Names;
use crate::store::redis::node::session::RedisSession;
use crate::store::redis::node::state::NodeState;
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
    config: AsyncConnectionConfig,
    operation_timeout: Duration,
    /// Whether a session has led to a primary, so that a replica at the same address means a failover, not a wrong URL.
    had_primary: AtomicBool,
}

/// A new connection to a server that can keep locks.
struct Connected {
    connection: MultiplexedConnection,
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
    pub(crate) fn new(client: &Client, settings: &RedisSettings, may_push: bool) -> Result<Self, Unusable> {
        let names = Names::new(&settings.namespace, settings.name_format.as_deref()).map_err(Unusable::Settings)?;
        let identity = address::identity(client.get_connection_info(), &names.fragment());
        let client = address::prepared(client, settings)?;
        let pushing = if may_push { Some(address::pushing(&client)?) } else { None };
        Ok(Self {
            state: Arc::new(NodeState::new(names, identity)),
            client,
            pushing,
            config: address::config(settings),
            operation_timeout: settings.operation_timeout,
            had_primary: AtomicBool::new(false),
        })
    }

    /// The server and the namespace on it, without credentials.
    pub(crate) fn identity(&self) -> &str {
        &self.state.identity
    }

    /// Connects, asks what the server is, and raises the counter.
    pub(crate) async fn open(&self) -> Result<RedisSession, StoreError> {
        let connected = self.connected(&self.client, &self.config).await?;
        Ok(self.session(connected, Subscription::none()))
    }

    /// The same, and subscribes to the listener's wake channel: over this connection if the server pushes, else over
    /// another.
    pub(crate) async fn listen(&self, listener: Listener) -> Result<RedisSession, StoreError> {
        if let Some(pushing) = &self.pushing {
            match self.listen_by_push(pushing, &listener).await {
                // It may have refused the protocol. If it was something else, that is refused again below.
                Err(error) if error.kind() == StoreErrorKind::Refused => {}
                opened => return opened,
            }
        }
        let mut connected = self.connected(&self.client, &self.config).await?;
        let (connecting, at_most) = (self.client.get_async_pubsub(), self.operation_timeout);
        let beside =
            Beside { connection: &mut connected.connection, clock: connected.clock, unknown: unknown_clock()? };
        let subscription = wake::subscribe_apart(&self.state, &listener, connecting, at_most, beside).await;
        Ok(self.session(connected, subscription.map_err(|error| self.opening_error(error))?))
    }

    async fn listen_by_push(&self, pushing: &Client, listener: &Listener) -> Result<RedisSession, StoreError> {
        let subscription = Subscription::none();
        let receiver = subscription.receiver_of_operations(&self.state, listener);
        let config = self.config.clone().set_push_sender(move |push| {
            receiver.on_push(&push);
            Ok::<(), Infallible>(())
        });
        let mut connected = self.connected(pushing, &config).await?;
        let (connection, channel) = (&mut connected.connection, self.state.names.channel(listener.id()));
        let subscription = wake::subscribe_by_push(subscription, connection, channel, connected.clock).await;
        Ok(self.session(connected, subscription.map_err(|error| self.opening_error(error))?))
    }

    fn session(&self, connected: Connected, subscription: Subscription) -> RedisSession {
        let Connected { connection, raised, clock } = connected;
        RedisSession::new(connection, Arc::clone(&self.state), (raised, clock), subscription)
    }

    /// A connection to a server that can keep locks.
    async fn connected(&self, client: &Client, config: &AsyncConnectionConfig) -> Result<Connected, StoreError> {
        let fault = |error| self.opening_error(error);
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await.map_err(fault)?;
        let greeting = greet(&mut connection, self.state.names.counter()).await.map_err(fault)?;
        // Checked first: a replica answers READONLY to the raise, or executes it, which does a counter there no harm.
        if let Some(unfit) = role::unfit(greeting.hello()) {
            return Err(unfit.error(self.had_primary.load(Ordering::Relaxed)));
        }
        let version = greeting.version(&mut connection).await.map_err(fault)?;
        if let Some(version) = version.filter(|version| reply::is_too_old(version)) {
            let text = format!("the server is version {}; locks need 6.2 or newer", quote::quoted(&version));
            return Err(StoreError::new(StoreErrorKind::Refused, text));
        }
        let raised = greeting.raised().map_err(fault)?;
        self.had_primary.store(true, Ordering::Relaxed);
        Ok(Connected { connection, raised: raised.counter, clock: raised.clock.map_or_else(unknown_clock, Ok)? })
    }

    fn opening_error(&self, error: RedisError) -> StoreError {
        let password = self.client.get_connection_info().redis_settings().password();
        fault::opening_error(error, self.state.names.counter(), password.unwrap_or_default())
    }
}
