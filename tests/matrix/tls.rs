//! Certificates that were good once, or are somebody else's: the connection fails closed, and says why.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use lock_runtime::{Client, ConnectError};
use lock_tests::{Kind, Server, TemporaryDir};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

const CANARY: &str = "canary-5e11";

/// Fails to connect; all that can be printed of it.
async fn refusal(server: &Server, url: &str, authority: &str) -> String {
    server.reset_commandstats();
    let url = url.replace("rediss://", &format!("rediss://app:{CANARY}@"));
    let builder = Client::builder().operation_timeout(Duration::from_secs(1));
    let error =
        builder.root_certificates(authority).connect(&url).await.expect_err("nobody should talk to such a server");
    assert!(matches!(error, ConnectError::Refused { .. } | ConnectError::Unreachable { .. }), "{error:?}");
    let mut said = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(source) = next {
        write!(said, " {source} {source:?}").expect("a string takes all");
        next = source.source();
    }
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(server.commandstats().get("auth"), None, "the password stays here");
    said
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let server = Server::builder(Kind::Redis).tls().arg("--bind", "127.0.0.1 127.0.0.2").start();
    let elsewhere = server.tls_url().replace("127.0.0.1", "127.0.0.2");
    let said = refusal(&server, &elsewhere, server.tls_authority()).await;
    assert!(said.contains("certificate"), "{said}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let directory = TemporaryDir::new("expired");
    let (authority, certificate, key) = expired().expect("certificates can be made");
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("a directory of ours can be written to");
        directory.path().join(name).display().to_string()
    };
    let server = Server::builder(Kind::Redis).tls();
    let server = server.arg("--tls-cert-file", &file("certificate.pem", &certificate));
    let server = server.arg("--tls-key-file", &file("key.pem", &key)).start();
    let said = refusal(&server, &server.tls_url(), &authority).await;
    assert!(said.contains("certificate") && said.to_lowercase().contains("expired"), "{said}");
}

#[tokio::test]
async fn a_plain_port_gets_no_password() {
    let server = Server::redis();
    let trusted = Server::builder(Kind::Redis).tls().start();
    refusal(&server, &server.url().replace("redis://", "rediss://"), trusted.tls_authority()).await;
}

/// An authority's certificate, one that it signed for the loopback address and that ended long ago, and its key.
fn expired() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    certificate.not_after = date_time_ymd(2020, 1, 1);
    let certificate = certificate.signed_by(&key, &authority)?;
    Ok((authority.pem(), certificate.pem(), key.serialize_pem()))
}
