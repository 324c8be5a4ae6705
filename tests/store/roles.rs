//! Where no locks can be kept: replicas, nodes of a cluster, Sentinels. Who is told so, and who is told to try again.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::store::{Listener, ListenerId, Session, Store as _, StoreError, StoreErrorKind};
use lock_tests::{Pair, Proxy, Server};

use crate::rights::{CHANNELS, RIGHTS, allow};
use crate::{acquire, fake, fence, kind, kinds_of_all, look, open, store};

/// Opening at a URL in every way: to ask, and to listen, where the server may push and where it may not.
async fn opened(url: &str) -> Vec<Result<Arc<dyn Session>, StoreError>> {
    let mut all = Vec::new();
    for url in [url.to_owned(), format!("{url}?protocol=resp2")] {
        let listener = Listener::new(ListenerId::from_bits(9), |_| false);
        all.extend([store(&url).open().await, store(&url).listen(listener).await]);
    }
    all
}

/// Each way leads to a refusal with this in its text.
async fn is_refused(url: &str, text: &str) {
    for opened in opened(url).await {
        let error = opened.expect_err("no locks there");
        assert_eq!(error.kind(), StoreErrorKind::Refused, "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

lock_tests::on_every_server! {
    async fn a_replica_is_refused_and_leads_to_its_primary(server: Server) {
        let pair = Pair::of(server);
        is_refused(&pair.replica().url(), "is a replica, which keeps no locks; point the URL at its primary").await;
        // A user with just the needed rights has no other way to learn of it.
        is_refused(&allow(pair.replica(), &RIGHTS, &CHANNELS), "point the URL at its primary").await;
        fence(acquire(&open(&pair.primary().url()).await, "a", 1).await);
    }

    /// It would grant each lock beside its primary.
    async fn a_replica_that_takes_writes_is_refused(server: Server) {
        let pair = Pair::of(server);
        pair.replica().command(&["CONFIG", "SET", "replica-read-only", "no"]);
        is_refused(&pair.replica().url(), "point the URL at its primary").await;
    }

    async fn a_replica_where_the_primary_was_is_asked_again_until_it_leads_to_one(server: Server) {
        let mut pair = Pair::of(server);
        pair.primary().command(&["CONFIG", "SET", "replica-read-only", "no"]);
        let proxy = Proxy::before(pair.primary());
        let store = store(&proxy.url());
        fence(acquire(&store.open().await.expect("a primary"), "a", 1).await);
        pair.fail_over();
        for opened in [store.open().await, store.clone().listen(Listener::new(ListenerId::from_bits(9), |_| false)).await] {
            let error = opened.expect_err("it may take writes and is a replica");
            assert_eq!(error.kind(), StoreErrorKind::Disconnected, "{error:?}");
            assert!(error.to_string().contains("is a replica now"), "{error}");
        }
        proxy.lead_to(pair.primary().port());
        fence(acquire(&store.open().await.expect("the new primary"), "b", 1).await);
        // The one that it knew first is promoted again, at its old address.
        proxy.lead_to(pair.replica().port());
        pair.fail_over();
        fence(acquire(&store.open().await.expect("the first primary"), "c", 1).await);
    }

    async fn a_replica_never_says_not_ours(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "held", 1).await);
        let primary = Server::builder(server.kind()).arg("--repl-diskless-sync-delay", "0").start();
        fence(acquire(&open(&primary.url()).await, "copied", 1).await);
        server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        assert_eq!(kinds_of_all(&session).await, [StoreErrorKind::Disconnected; 4]);
        assert!(!session.is_open());
        server.until_there("dlock:{copied}", Duration::from_secs(10)).await;
        assert_eq!(kind(look(&session, "copied", 2).await), StoreErrorKind::Disconnected);
        assert_eq!(kind(store(&server.url()).open().await), StoreErrorKind::Refused, "whoever never met a primary there");
    }

    async fn a_node_of_a_cluster_is_refused(server: Server) {
        let node = Server::builder(server.kind()).arg("--cluster-enabled", "yes").start();
        is_refused(&node.url(), "is a node of a cluster, which is not supported").await;
        // All slots are its own, so that it would answer as if there were no cluster.
        node.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        is_refused(&node.url(), "point the URL at a server without cluster mode").await;
        assert_eq!(store(&server.url()).open().await.map(|session| session.is_open()).ok(), Some(true));
    }
}

#[tokio::test]
async fn a_sentinel_is_refused() {
    let address = fake::server(|words| match words[0].as_str() {
        "HELLO" => "*4\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n".to_owned(),
        "EVAL" => "-ERR unknown command 'EVAL', with args beginning with: 'local' \r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    is_refused(&format!("redis://{}", address.await), "is a Sentinel").await;
}

#[tokio::test]
async fn what_says_nothing_of_its_role_is_given_a_chance() {
    let unknown = fake::server(|words| answers(words, "-ERR unknown command 'HELLO', with args beginning with: \r\n"));
    let forbidden = fake::server(|words| answers(words, "-NOPERM this user has no permissions\r\n"));
    let silent = fake::server(|words| answers(words, "*2\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n"));
    let strange =
        fake::server(|words| answers(words, "*4\r\n$4\r\nrole\r\n$6\r\nleader\r\n$4\r\nmode\r\n$5\r\nproxy\r\n"));
    for address in [unknown.await, forbidden.await, silent.await, strange.await] {
        for opened in opened(&format!("redis://{address}")).await {
            opened.expect("nothing speaks against it");
        }
    }
}

fn answers(words: &[String], hello: &str) -> String {
    match words[0].as_str() {
        "HELLO" => hello.to_owned(),
        "EVAL" => "$1\r\n1\r\n".to_owned(),
        "INFO" => "$21\r\nredis_version:7.2.0\r\n\r\n".to_owned(),
        "SUBSCRIBE" => "-NOPERM this user has no permissions\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    }
}
