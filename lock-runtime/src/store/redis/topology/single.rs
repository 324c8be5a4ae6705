//! From a URL to an open session.
//!
//! What must stay true: no session is handed out before the counter of fences was raised to the server's clock (or
//! the session knows that it was not), nor one that listens before its subscription was confirmed; and no password gets into an error, a name or a `Debug` output. Absent on
//! purpose: connecting again, which is decided above.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::{TcpSettings, socket2};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, ProtocolVersion, RedisError, Value,
};

use super::super::node::fault::{self, About};
use super::super::node::script::{self, Arguments};
use super::super::node::session::RedisSession;
use super::super::node::wake::{self, Hearing};
use super::super::node::{quote, reply};
use super::super::{Place, RedisSettings};
use super::role;
use crate::api::error::ConnectError;
use crate::store::{Listener, StoreError, StoreErrorKind};

/// After this long without an answer from the other end's kernel a connection is given up.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// How many operations may be on their way to the connection's task before senders wait.
const QUEUED_OPERATIONS: usize = 1024;

const SCHEMES: [&str; 7] = ["redis", "rediss", "redis+unix", "unix", "valkey", "valkeys", "valkey+unix"];

/// A client of the redis crate for a URL.
pub(crate) fn client(url: &str, root_certificates: Option<&[u8]>) -> Result<Client, ConnectError> {
    let invalid = |text: String| ConnectError::InvalidUrl(text);
    let expected = "write redis://host:port, rediss://host:port, redis+unix:///path or memory://";
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(invalid(format!("it has no scheme; {expected}")));
    };
    if !SCHEMES.contains(&scheme) {
        return Err(invalid(format!("its scheme is unknown; {expected}")));
    }
    let is_tls = matches!(scheme, "rediss" | "valkeys");
    if is_tls && cfg!(not(feature = "tls")) {
        return Err(invalid(format!("{scheme}:// needs the feature `tls` of lock-runtime")));
    }
    let client = Client::open(url).map_err(|error| invalid(reason(&error)))?;
    match root_certificates {
        None => Ok(client),
        Some(_) if !is_tls => Err(options("root_certificates need a rediss:// URL")),
        Some(pem) => trusting(&client, pem),
    }
}

#[cfg(feature = "tls")]
fn trusting(client: &Client, pem: &[u8]) -> Result<Client, ConnectError> {
    // None at all would be read as a list to trust, and fail at every handshake.
    if !pem.windows(17).any(|window| window == b"BEGIN CERTIFICATE") {
        return Err(options("root_certificates hold no certificate in PEM form"));
    }
    let certificates = ::redis::TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
    Client::build_with_tls(client.get_connection_info().clone(), certificates)
        .map_err(|_| options("root_certificates hold something that is no certificate"))
}

#[cfg(not(feature = "tls"))]
fn trusting(_: &Client, _: &[u8]) -> Result<Client, ConnectError> {
    Err(options("root_certificates need the feature `tls` of lock-runtime"))
}

fn options(text: &str) -> ConnectError {
    ConnectError::InvalidOptions(text.to_owned())
}

/// The constant part of why a URL was refused; the rest may repeat parts of the URL.
fn reason(error: &RedisError) -> String {
    let text = error.to_string();
    let constant = text.split(" - ").next().unwrap_or_default();
    constant.trim_end_matches('.').to_lowercase()
}

/// Names the server and the namespace on it, without credentials.
pub(crate) fn identity(info: &ConnectionInfo, fragment: &str) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => format!("redis://{}:{port}/{db}#{fragment}", bracketed(host)),
        ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{}:{port}/{db}#{fragment}", bracketed(host)),
        ConnectionAddr::Unix(path) => format!("redis+unix://{}?db={db}#{fragment}", path.display()),
        _ => format!("redis://?/{db}#{fragment}"),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_lowercase() }
}

/// The client with what a lock's connection needs, where it says nothing itself.
pub(crate) fn prepared(client: &Client, settings: &RedisSettings) -> Result<Client, ConnectError> {
    let info = client.get_connection_info().clone();
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        install_crypto();
    }
    let nodelay = settings.nodelay.or_else(|| is_elsewhere(info.addr()).then_some(true));
    let tcp = tcp_settings(info.tcp_settings().clone(), nodelay);
    let mut redis = info.redis_settings().clone();
    if redis.lib_name().is_none() && !redis.skip_set_lib_name() {
        redis = redis.set_lib_name("lock-runtime", env!("CARGO_PKG_VERSION"));
    }
    Client::open(info.set_tcp_settings(tcp).set_redis_settings(redis))
        .map_err(|error| ConnectError::InvalidOptions(reason(&error)))
}

/// Whether the server is on another machine, as far as its address tells.
fn is_elsewhere(address: &ConnectionAddr) -> bool {
    let (ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) = address else { return false };
    let is_loopback = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    !is_loopback && !host.eq_ignore_ascii_case("localhost")
}

fn tcp_settings(mut tcp: TcpSettings, nodelay: Option<bool>) -> TcpSettings {
    if let Some(nodelay) = nodelay {
        tcp = tcp.set_nodelay(nodelay);
    }
    if tcp.keepalive().is_none() {
        tcp = tcp.set_keepalive(socket2::TcpKeepalive::new().with_time(DEAD_AFTER));
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    if tcp.user_timeout().is_none() {
        tcp = tcp.set_user_timeout(DEAD_AFTER);
    }
    tcp
}

/// Lets `rediss://` work in programs that chose no implementation of cryptography; those that did keep theirs.
#[cfg(feature = "tls")]
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that somebody else was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(not(feature = "tls"))]
fn install_crypto() {}

/// How connections are made. Operations have no time-out here, as those above time each of them.
pub(crate) fn config(settings: &RedisSettings) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.operation_timeout))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUED_OPERATIONS)
}

/// Whether a URL asks for the protocol that knows no pushes.
pub(crate) fn asks_for_resp2(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| matches!(pair, "protocol=resp2" | "protocol=2"))
}

/// The client for connections over which the server can push.
pub(crate) fn pushing(client: &Client) -> Result<Client, ConnectError> {
    let info = client.get_connection_info().clone();
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Client::open(info.set_redis_settings(redis)).map_err(|error| ConnectError::InvalidOptions(reason(&error)))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether connections of a store at this URL send at once.
    fn nodelay(url: &str, set: Option<bool>) -> bool {
        let settings = RedisSettings { nodelay: set, ..RedisSettings::default() };
        let client = prepared(&Client::open(url).expect("a URL"), &settings).expect("settings");
        client.get_connection_info().tcp_settings().nodelay()
    }

    #[test]
    fn only_a_server_elsewhere_is_sent_to_at_once() {
        for here in ["redis://localhost:1", "redis://LOCALHOST", "redis://127.0.0.2:1/3", "redis://[::1]:1"] {
            assert!(!nodelay(here, None), "{here}");
        }
        for elsewhere in ["redis://db.internal:1", "redis://10.0.0.7", "redis://[fe80::1]:1"] {
            assert!(nodelay(elsewhere, None), "{elsewhere}");
        }
    }

    #[test]
    fn who_says_how_it_is_sent_is_obeyed() {
        assert!(nodelay("redis://localhost", Some(true)) && !nodelay("redis://db.internal", Some(false)));
    }

    #[test]
    fn a_client_that_sends_at_once_goes_on_to() {
        let info = Client::open("redis://localhost").expect("a URL").get_connection_info().clone();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let own = Client::open(info.set_tcp_settings(tcp)).expect("settings");
        let client = prepared(&own, &RedisSettings::default()).expect("settings");
        assert!(client.get_connection_info().tcp_settings().nodelay());
    }
}
