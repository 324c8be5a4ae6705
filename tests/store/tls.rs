//! `rediss://` with a certificate of one's own, and without.

use lock_runtime::redis::{RedisSettings, RedisStore};
use lock_runtime::store::{Store as _, StoreErrorKind};
use lock_runtime::{ConnectError, conformance};
use lock_tests::{Kind, Server};

fn trusting(url: &str, pem: &str) -> Result<RedisStore, ConnectError> {
    let mut settings = RedisSettings::default();
    settings.root_certificates = Some(pem.as_bytes().to_vec());
    RedisStore::from_url(url, settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_over_tls() {
    let server = Server::builder(Kind::Redis).tls().start();
    let store = trusting(&server.tls_url(), server.tls_authority()).expect("a store");
    assert!(store.identity().starts_with("rediss://127.0.0.1:"));
    conformance::check(store).await;
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    let server = Server::builder(Kind::Redis).tls().start();
    // Mozilla's list does not have ours.
    let error = crate::store(&server.tls_url()).open().await.expect_err("an unknown authority");
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_plain_port_is_an_error_and_not_a_wait() {
    let server = Server::redis();
    let plain = server.url().replace("redis://", "rediss://");
    assert!(crate::store(&plain).open().await.is_err());
}

#[test]
fn roots_that_are_no_certificates_are_invalid_options() {
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(trusting("rediss://h", pem), Err(ConnectError::InvalidOptions(_))), "{pem}");
    }
    assert!(matches!(trusting("redis://h", "x"), Err(ConnectError::InvalidOptions(_))));
}
