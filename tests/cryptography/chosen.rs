//! With the feature `tls-no-provider` alone: what the program has chosen, and a refusal until it has.

use std::sync::atomic::{AtomicUsize, Ordering};

use lock_tests::{Kind, Server};
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};

use crate::program::{connect_own, hand_over, has_chosen, lock, said, trusting};

/// How often the program's cryptography was asked for random bytes, as each handshake does.
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Counted(&'static dyn SecureRandom);

impl SecureRandom for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        self.0.fill(bytes)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_connected_until_the_program_has_chosen_and_then_with_that() {
    let server = Server::builder(Kind::Redis).tls().start();
    let lazy = trusting(&server).connect_lazy(&server.tls_url()).expect("a store");
    let refused = lazy.lock("job:1").acquire().await.expect_err("there is no cryptography");
    let error = trusting(&server).connect(&server.tls_url()).await.expect_err("there is no cryptography");
    let own = connect_own(&server).await.expect_err("there is no cryptography");
    for said in [said(&refused), said(&error), said(&own)] {
        assert!(said.contains("default_provider().install_default()") && said.contains("feature `tls`"), "{said}");
    }
    assert!(!has_chosen());

    let ring = ring::default_provider();
    let counted = Box::leak(Box::new(Counted(ring.secure_random)));
    CryptoProvider { secure_random: counted, ..ring }.install_default().expect("the program is the first to choose");
    lock(&lazy).await;
    let asked = ASKED.load(Ordering::Relaxed);
    assert!(asked > 0, "it was not used");
    lock(&trusting(&server).connect(&server.tls_url()).await.expect("a server")).await;
    assert!(ASKED.load(Ordering::Relaxed) > asked, "it was not used again");
    let own = connect_own(&server).await.expect("a server");
    lock(&own).await;
    hand_over(&own, &lazy).await;
}
