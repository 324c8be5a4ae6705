//! With the feature `tls`: ring for our connections, and nothing for anybody else.

use lock_tests::{Kind, Server};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};

use crate::program::{connect_own, hand_over, has_chosen, lock, said, trusting};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_programs_cryptography_is_its_own_before_and_after_it_chose() {
    let server = Server::builder(Kind::Redis).tls().start();
    std::panic::catch_unwind(ClientConfig::builder).expect_err("nobody has chosen, and rustls may not");

    let lazy = trusting(&server).connect_lazy(&server.tls_url()).expect("a store");
    assert!(!has_chosen(), "after connect_lazy");
    lock(&lazy).await;
    let client = trusting(&server).connect(&server.tls_url()).await.expect("a server");
    lock(&client).await;
    for url in [server.tls_url(), format!("{}?protocol=resp2", server.tls_url())] {
        let client = trusting(&server).connect(&url).await.expect("a server");
        hand_over(&client, &trusting(&server).connect(&url).await.expect("a server")).await;
    }
    assert!(!has_chosen(), "after all that connections are used for");

    // The redis crate connects it, and would panic.
    let error = connect_own(&server).await.expect_err("there is no default");
    assert!(said(&error).contains("default_provider().install_default()"), "{}", said(&error));
    assert!(!has_chosen(), "after a client of the program's own");

    // It can do nothing at all, so that a connection that used it would fail.
    let nothing = CryptoProvider { cipher_suites: Vec::new(), kx_groups: Vec::new(), ..ring::default_provider() };
    nothing.install_default().expect("the program is the first to choose");
    lock(&trusting(&server).connect(&server.tls_url()).await.expect("ring is ours still")).await;
    lock(&lazy).await;
    let chosen = CryptoProvider::get_default().expect("the program's");
    assert!(chosen.cipher_suites.is_empty(), "it is the program's still");
}
