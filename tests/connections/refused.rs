//! Connections that are never made: no such URL, nobody listens, a wrong password. A client that connects says so at
//! once, a lazy one tells its callers, or waits for as long as they do. No text has a secret.

use std::error::Error;
use std::time::{Duration, Instant};

use lock_runtime::{Client, ConnectError, LockError};
use lock_tests::{Server, on_every_server};

use crate::callers::connect;
use crate::faulted::SLACK;

const CANARY: &str = "canary-77aa";

/// Everything that somebody could log of an error.
fn all_texts(error: &dyn Error) -> String {
    let mut texts = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        texts.extend(["\n".to_owned(), error.to_string(), format!("{error:?}")]);
        source = error.source();
    }
    texts
}

#[tokio::test]
async fn an_unknown_scheme_is_answered_with_the_known_ones() {
    for url in ["ftp://somewhere", &format!("unheard-of://user:{CANARY}@somewhere/locks"), "localhost:6379", ""] {
        let error = Client::connect(url).await.expect_err("no such store");
        assert!(matches!(error, ConnectError::InvalidUrl(_)), "{error:?}");
        for known in ["memory://", "redis://", "rediss://", "redis+unix://"] {
            assert!(error.to_string().contains(known), "{known} is missing in: {error}");
        }
        assert!(!all_texts(&error).contains(CANARY), "{error:?}");
        let lazily = Client::connect_lazy(url).expect_err("no such store");
        assert!(matches!(lazily, ConnectError::InvalidUrl(_)), "{lazily:?}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_read_shows_no_password() {
    for rest in ["host:notaport", "[::1", "host:6379/notadb", ""] {
        let url = format!("redis://user:{CANARY}@{rest}");
        let error = Client::connect(&url).await.expect_err("not a URL");
        assert!(!all_texts(&error).contains(CANARY), "{url}: {error:?}");
    }
}

on_every_server! {
    async fn a_dead_port_is_unreachable_at_once(server: Server) {
        let mut server = server;
        server.kill();
        let start = Instant::now();
        let url = format!("redis://user:{CANARY}@127.0.0.1:{}", server.port());
        let error = Client::connect(&url).await.expect_err("nobody listens");
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
        assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
        assert!(error.to_string().contains(&server.port().to_string()), "{error}");
        assert!(error.source().is_some());
        assert!(!all_texts(&error).contains(CANARY), "{error:?}");
    }

    async fn a_wrong_password_is_refused_and_shown_nowhere(server: Server) {
        server.command(&["ACL", "SETUSER", "locker", "on", ">right-password", "~*", "&*", "+@all"]);
        let url = |password: &str| format!("redis://locker:{password}@127.0.0.1:{}", server.port());
        let client = connect(&url("right-password")).await;
        client.lock("job").run(async {}).await.expect("free");
        let shown = format!("{client:?}");
        assert!(!shown.contains("right-password"), "{shown}");
        let error = Client::connect(&url(CANARY)).await.expect_err("wrong");
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert!(!all_texts(&error).contains(CANARY), "{}", all_texts(&error));

        let lazy = Client::builder().operation_timeout(Duration::from_millis(500));
        let lazy = lazy.connect_lazy(&url(CANARY)).expect("a good URL");
        let error = lazy.lock("job").acquire().await.expect_err("refused");
        assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
        assert!(!all_texts(&error).contains(CANARY), "{}", all_texts(&error));
    }

    async fn a_lazy_client_finds_a_server_that_is_started_later(server: Server) {
        let mut server = server;
        server.kill();
        let client = Client::connect_lazy(&server.url()).expect("a good URL");
        let waiting = tokio::spawn(client.lock("job").wait(Duration::from_secs(30)).acquire());
        let for_ever = tokio::spawn(client.lock("other").wait_forever().run(async { 42 }));
        let both_wait = async {
            while client.stats().waiting < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SLACK, both_wait).await.expect("both are under way");
        server.restart();
        let there = Instant::now();
        let guard = waiting.await.expect("no panic").expect("the server is there");
        assert_eq!(for_ever.await.expect("no panic").expect("the server is there"), 42);
        // Tries to connect are a second apart at most.
        assert!(there.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", there.elapsed());
        assert!(guard.is_held());
    }

    async fn a_lazy_client_that_does_not_wait_fails_in_time_and_never_runs_the_body(server: Server) {
        let mut server = server;
        server.kill();
        let timeout = Duration::from_millis(500);
        let client = Client::builder().operation_timeout(timeout).connect_lazy(&server.url()).expect("a good URL");
        for _ in 0..3 {
            let start = Instant::now();
            let error = client.lock("job").run(async { panic!("no store, no body") }).await.expect_err("no store");
            assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
            assert!(error.source().is_some(), "it says why");
            assert!(start.elapsed() < timeout + SLACK, "{:?}", start.elapsed());
        }
        assert_eq!((client.stats().unavailable, client.stats().waiting), (3, 0));
    }
}
