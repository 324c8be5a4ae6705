//! From a client to an open session.
//!
//! What must stay true: no session is handed out before the counter of fences was raised to the server's clock (or
//! the session knows that it was not), nor one that listens before its subscription was confirmed; and no password gets
//! into an error. Absent on purpose: connecting again, which is decided above.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, Value};

use super::super::Place;
use super::super::node::fault::{self, About};
use super::super::node::script::{self, Arguments};
use super::super::node::session::RedisSession;
use super::super::node::wake::{self, Hearing};
use super::super::node::{quote, reply};
use super::role;
use crate::store::{Listener, StoreError, StoreErrorKind};

/// Connects, asks what the server is and raises the counter.
pub(crate) async fn open(place: Arc<Place>) -> Result<RedisSession, StoreError> {
    let (connection, raised) = connected(&place, &place.client, &place.config).await?;
    Ok(RedisSession::new(connection, place, raised, Hearing::nothing()))
}

/// The same, and subscribes to the listener's wake channel: on this connection if the server pushes, else on another.
pub(crate) async fn listen(place: Arc<Place>, listener: Listener) -> Result<RedisSession, StoreError> {
    if let Some(pushing) = &place.pushing {
        match listen_by_push(&place, pushing, &listener).await {
            // It may have been the protocol. If it was something else, that is refused once more.
            Err(error) if error.kind() == StoreErrorKind::Refused => {}
            opened => return opened,
        }
    }
    let (connection, raised) = connected(&place, &place.client, &place.config).await?;
    let hearing = wake::by_reading(&place, &listener).await.map_err(|error| opening_error(error, &place))?;
    Ok(RedisSession::new(connection, place, raised, hearing))
}

async fn listen_by_push(place: &Arc<Place>, pushing: &Client, listener: &Listener) -> Result<RedisSession, StoreError> {
    let hearing = Hearing::nothing();
    let ear = hearing.ear_of_operations(place, listener);
    let config = place.config.clone().set_push_sender(move |push| {
        ear.hear_push(&push);
        Ok::<(), Infallible>(())
    });
    let (mut connection, raised) = connected(place, pushing, &config).await?;
    let hearing = wake::by_push(hearing, &mut connection, place.names.channel(listener.id())).await;
    let hearing = hearing.map_err(|error| opening_error(error, place))?;
    Ok(RedisSession::new(connection, Arc::clone(place), raised, hearing))
}

async fn connected(
    place: &Place,
    client: &Client,
    config: &AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, bool), StoreError> {
    let connecting = client.get_multiplexed_async_connection_with_config(config);
    let mut connection = connecting.await.map_err(|error| opening_error(error, place))?;
    let raised = greet(&mut connection, place).await?;
    Ok((connection, raised))
}

/// Asks what the server is and raises the counter, in one write. False if the server was too full to raise it.
async fn greet(connection: &mut MultiplexedConnection, place: &Place) -> Result<bool, StoreError> {
    let fault = |error| opening_error(error, place);
    let mut commands = Pipeline::with_capacity(2);
    commands.cmd("HELLO").add_command(script::by_text(script::RAISE, &Raise(place.names.counter())));
    let replies = connection.send_packed_commands(&commands, 0, 2).await.map_err(fault)?;
    let Ok([hello, raised]) = <[Value; 2]>::try_from(replies) else {
        return Err(fault(fault::strange("HELLO and EVAL")));
    };
    // Before the rest is read: a replica answers READONLY to it, or takes it, which does a counter there no harm.
    if let Some(unfit) = role::unfit(&hello) {
        return Err(unfit.error(place.had_primary.load(Ordering::Relaxed)));
    }
    let version = match reply::said_in_hello(&hello, "version") {
        Some(version) => Some(version),
        None => version_by_info(connection).await.map_err(fault)?,
    };
    if let Some(version) = version.filter(|version| reply::is_too_old(version)) {
        let text = format!("the server is version {}; locks need 6.2 or newer", quote::quoted(&version));
        return Err(StoreError::new(StoreErrorKind::Refused, text));
    }
    let raised = match raised.extract_error() {
        Ok(_) => true,
        Err(error) if fault::code(&error) == Some("OOM") => false,
        Err(error) => return Err(fault(error)),
    };
    place.had_primary.store(true, Ordering::Relaxed);
    Ok(raised)
}

/// Asks again, for servers and users to whom HELLO is unknown; nobody knows if this is refused too.
async fn version_by_info(connection: &mut MultiplexedConnection) -> Result<Option<String>, RedisError> {
    let mut info = Cmd::new();
    info.arg("INFO").arg("server");
    let reply = connection.send_packed_command(&info).await?;
    Ok(reply::version_in_info(&reply))
}

/// What went wrong while opening. There is no session to try again through, so that the rest is "disconnected".
fn opening_error(error: RedisError, place: &Place) -> StoreError {
    if is_handshake_failure(&error) {
        let text = "no secure connection can be made; is it a TLS port, and is its certificate trusted?";
        return StoreError::new(StoreErrorKind::Refused, text).with_source(error);
    }
    let about = About { counter: place.names.counter(), lock: None, queue: None };
    let refusal = fault::store_error(error.clone(), about);
    let kind = match refusal.kind() {
        StoreErrorKind::Refused => StoreErrorKind::Refused,
        _ => StoreErrorKind::Disconnected,
    };
    let told = StoreError::new(kind, refusal.to_string());
    // Some servers repeat the command that they refuse, and with it the password.
    let password = place.client.get_connection_info().redis_settings().password().unwrap_or_default();
    let is_secret = !password.is_empty() && error.to_string().contains(password);
    if is_secret { told } else { told.with_source(quote::telling(error)) }
}

/// Whether TLS failed for good, rather than the connection under it.
fn is_handshake_failure(error: &RedisError) -> bool {
    let shared = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    shared
        .and_then(|shared| shared.downcast_ref::<io::Error>())
        .is_some_and(|io| io.kind() == io::ErrorKind::InvalidData)
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
