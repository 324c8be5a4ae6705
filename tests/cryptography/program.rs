//! What a program does that has cryptography of its own, or none.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use lock_runtime::redis::redis::{self, TlsCertificates};
use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::{Client, ClientBuilder, ConnectError};
use lock_tests::Server;
use rustls::crypto::CryptoProvider;

pub(crate) fn has_chosen() -> bool {
    CryptoProvider::get_default().is_some()
}

pub(crate) fn trusting(server: &Server) -> ClientBuilder {
    Client::builder().root_certificates(server.tls_authority())
}

/// Takes a lock and has it renewed, by a client that is not connected yet.
pub(crate) async fn lock(client: &Client) {
    let guard = client.lock("job:1").acquire().await.expect("the key is free");
    client.lock("job:1").acquire().await.expect_err("it is held");
    guard.release().await.expect("the lock is ours");
}

/// Waits with one client for what another one holds, which takes a subscription.
pub(crate) async fn hand_over(holder: &Client, waiter: &Client) {
    let guard = holder.lock("job:2").acquire().await.expect("the key is free");
    let waiting = tokio::spawn(waiter.lock("job:2").wait(Duration::from_secs(20)).acquire());
    guard.release().await.expect("the lock is ours");
    let guard = waiting.await.expect("no panic").expect("it was released");
    guard.release().await.expect("the lock is ours");
}

/// Connects a redis client of the program's own, with certificates in it.
pub(crate) async fn connect_own(server: &Server) -> Result<Client, ConnectError> {
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(server.tls_authority().into()) };
    let own = redis::Client::build_with_tls(server.tls_url(), certificates).expect("a URL and a certificate");
    Client::builder().connect_store(RedisStore::from_client(own, RedisSettings::default())?).await
}

/// All that an error says.
pub(crate) fn said(error: &dyn Error) -> String {
    let (mut said, mut next) = (error.to_string(), error.source());
    while let Some(source) = next {
        write!(said, ": {source}").expect("a string takes all");
        next = source.source();
    }
    said
}
