//! TLS for our own connections alone: with ring (feature `tls`), or with the process' default cryptography (feature
//! `tls-no-provider`).
//!
//! What must stay true: the process' default is looked at and never set; nothing panics for want of one. Absent on
//! purpose: trusting without looking, and certificates of clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ::redis::io::tcp::{TcpSettings, socket2::SockRef};
use ::redis::{Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::store::redis::settings::Unusable;
use crate::store::{StoreError, StoreErrorKind};

/// Whom to trust.
pub(crate) type Roots = Arc<RootCertStore>;

/// A connection whose server has proved who it is.
pub(crate) type Stream = Box<TlsStream<TcpStream>>;

/// Whether a client's connections speak TLS.
pub(crate) fn is_spoken(client: &Client) -> bool {
    matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
}

/// Mozilla's list.
pub(crate) fn mozillas() -> Roots {
    Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

/// The certificates of a PEM text.
pub(crate) fn trusted(pem: &[u8]) -> Result<Roots, Unusable> {
    let bad = || Unusable::Settings("root_certificates contains something that is not a certificate".to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| bad())?).map_err(|_| bad())?;
    }
    // Without this check every handshake would fail.
    if roots.is_empty() {
        return Err(Unusable::Settings("root_certificates contains no certificate in PEM form".to_owned()));
    }
    Ok(Arc::new(roots))
}

/// The cryptography of our own connections.
#[cfg(feature = "tls")]
#[allow(clippy::unnecessary_wraps)] // There may be none with the feature `tls-no-provider` alone.
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, StoreError> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(feature = "tls"))]
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, StoreError> {
    default_provider()
}

/// The process' default cryptography.
pub(crate) fn default_provider() -> Result<Arc<CryptoProvider>, StoreError> {
    CryptoProvider::get_default().cloned().ok_or_else(|| StoreError::new(StoreErrorKind::Refused, NO_PROVIDER))
}

#[cfg(feature = "tls")]
const NO_PROVIDER: &str = "the redis crate, which connects a client of your own, takes the process' default \
    cryptography for TLS, and there is none; install one with \
    `rustls::crypto::ring::default_provider().install_default()` (or aws_lc_rs), or connect by URL";

#[cfg(not(feature = "tls"))]
const NO_PROVIDER: &str = "TLS needs the process' default cryptography, and there is none; install one with \
    `rustls::crypto::aws_lc_rs::default_provider().install_default()` (or ring), or use the feature `tls` of \
    lock-runtime and connect by URL";

/// Connects to the first address of the host that completes a handshake.
pub(crate) async fn open(info: &ConnectionInfo, roots: &Roots) -> Result<Stream, RedisError> {
    let ConnectionAddr::TcpTls { host, port, .. } = info.addr() else {
        return Err(invalid("this is no address of a server with TLS"));
    };
    let name = ServerName::try_from(host.clone()).map_err(|_| invalid("no certificate can be for such a host"))?;
    let connector = connector(roots)?;
    let mut attempts = JoinSet::new();
    for address in lookup_host((host.as_str(), *port)).await? {
        let (connector, name, tcp) = (connector.clone(), name.clone(), info.tcp_settings().clone());
        attempts.spawn(async move { connector.connect(name, connect(address, &tcp).await?).await });
    }
    first(attempts).await
}

/// The first that succeeds; the others are aborted.
async fn first(mut attempts: JoinSet<io::Result<TlsStream<TcpStream>>>) -> Result<Stream, RedisError> {
    let mut failed = invalid("the host has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::from).and_then(|attempt| attempt) {
            Ok(stream) => return Ok(Box::new(stream)),
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

fn connector(roots: &Roots) -> Result<TlsConnector, RedisError> {
    let provider = provider().map_err(|_| invalid(NO_PROVIDER))?;
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|_| invalid("the cryptography provider knows no version of TLS"))?;
    let config = config.with_root_certificates(Arc::clone(roots)).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect(address: SocketAddr, settings: &TcpSettings) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(settings.nodelay())?;
    let socket = SockRef::from(&stream);
    if let Some(keepalive) = settings.keepalive() {
        socket.set_tcp_keepalive(keepalive)?;
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(settings.user_timeout())?;
    Ok(stream)
}

fn invalid(text: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, text).into()
}
