//! Servers in trouble, and keys that are not ours: an error of the right kind, never a wrong answer.

use std::time::Duration;

use lock_runtime::store::{Acquired, Released, Renewed, Store as _, StoreError, StoreErrorKind};
use lock_tests::{Kind, Server};

use crate::{acquire, fence, first_error, kind, kinds_of_all, look, open, release, renew, store};

use StoreErrorKind::{Disconnected, Refused, Unready};

lock_tests::on_every_server! {
    async fn a_key_of_another_type_is_not_a_lock(server: Server) {
        server.command(&["RPUSH", "lock:{a}", "x"]);
        let session = open(&server.url()).await;
        assert_eq!(acquire(&session, "a", 1).await.expect("an answer"), Acquired::Held { for_at_most: None, queued_at: None });
        let error = look(&session, "a", 1).await.expect_err("a lock that is a list");
        assert_eq!(error.kind(), Refused);
        assert!(error.to_string().contains("`lock:{a}` is not a lock"), "{error}");
        assert_eq!(kind(renew(&session, "a", 1).await), Refused);
        assert_eq!(kind(release(&session, "a", 1).await), Refused);
        assert_eq!(server.ask::<i64>(&["LLEN", "lock:{a}"]), 1);
    }

    async fn a_key_without_a_ttl_is_reported(server: Server) {
        server.command(&["SET", "lock:{a}", "another program's"]);
        let session = open(&server.url()).await;
        let error = look(&session, "a", 1).await.expect_err("a lock for ever");
        assert_eq!(error.kind(), Refused);
        assert!(error.to_string().starts_with("key `lock:{a}` exists without a ttl"), "{error}");
        assert_eq!(release(&session, "a", 1).await.expect("an answer"), Released::NotOurs);
    }

    async fn one_spoilt_key_does_not_spoil_a_batch(server: Server) {
        let session = open(&server.url()).await;
        for key in ["a", "c"] {
            fence(acquire(&session, key, 1).await);
        }
        server.command(&["RPUSH", "lock:{b}", "x"]);
        let renewal = |key: &str| lock_runtime::store::Renewal {
            key: key.into(),
            token: lock_runtime::store::Token::from_bits(1),
            ttl: crate::TTL,
        };
        let answers = session.renew(["a", "b", "c", "d"].map(renewal).into()).await;
        assert_eq!(answers[0].as_ref().ok(), Some(&Renewed::Renewed));
        assert_eq!(answers[1].as_ref().map_err(StoreError::kind), Err(Refused));
        assert_eq!(answers[2].as_ref().ok(), Some(&Renewed::Renewed));
        assert_eq!(answers[3].as_ref().ok(), Some(&Renewed::NotOurs));
    }

    async fn a_full_server_gives_no_lock_and_keeps_those_that_are_held(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "held", 1).await);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(kind(acquire(&session, "a", 2).await), Unready);
        assert_eq!(kind(look(&session, "a", 2).await), Unready);
        assert_eq!(server.get("lock:{a}"), None);
        assert_eq!(renew(&session, "held", 1).await.expect("a renewal"), Renewed::Renewed);
        assert_eq!(renew(&session, "a", 2).await.expect("a renewal"), Renewed::NotOurs);
        assert_eq!(release(&session, "held", 1).await.expect("a release"), Released::Freed);
        assert!(session.is_open());
    }

    async fn a_full_server_can_be_connected_to(server: Server) {
        fence(acquire(&open(&server.url()).await, "held", 1).await);
        server.command(&["SET", "lock:fence", "1600000000000001"]);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let session = open(&server.url()).await;
        assert_eq!(renew(&session, "held", 1).await.expect("a renewal"), Renewed::Renewed);
        assert_eq!(kind(acquire(&session, "a", 2).await), Unready);
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        // The counter was never raised for this session, and yet its fences are no smaller than the clock.
        assert!(fence(acquire(&session, "a", 2).await) > 1_700_000_000_000_000);
    }

    async fn a_server_without_its_replicas_is_unready(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "held", 1).await);
        server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        assert_eq!(kind(acquire(&session, "a", 2).await), Unready);
        // For longer than it has, or within the same millisecond there would be nothing to write.
        let (key, token) = ("held".into(), lock_runtime::store::Token::from_bits(1));
        let longer = lock_runtime::store::Renewal { key, token, ttl: 2 * crate::TTL };
        assert_eq!(kind(session.renew(vec![longer]).await.remove(0)), Unready);
        assert_eq!(kind(store(&server.url()).open().await), Disconnected);
        assert!(session.is_open());
    }

    async fn a_replica_never_says_not_ours(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "held", 1).await);
        let primary = Server::builder(server.kind()).arg("--repl-diskless-sync-delay", "0").start();
        fence(acquire(&open(&primary.url()).await, "copied", 1).await);
        server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        assert_eq!(kinds_of_all(&session).await, [Disconnected; 4]);
        assert!(!session.is_open());
        server.until_there("lock:{copied}", Duration::from_secs(10)).await;
        assert_eq!(kind(look(&session, "copied", 2).await), Disconnected);
        assert_eq!(kind(store(&server.url()).open().await), Refused, "whoever never met a primary there");
    }

    async fn a_busy_server_is_unready(server: Server) {
        let session = open(&server.url()).await;
        server.command(&["CONFIG", "SET", "lua-time-limit", "1"]);
        let looping = std::thread::spawn({
            let url = server.url();
            move || {
                let client = redis::Client::open(url)?;
                let script = redis::cmd("EVAL").arg("while true do end").arg(0).take();
                script.query::<()>(&mut client.get_connection()?)
            }
        });
        // Nothing announces that a script runs too long, other than the answers.
        let refused = async {
            while acquire(&session, "a", 1).await.is_ok() {
                release(&session, "a", 1).await.ok();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refused).await.expect("the server becomes busy");
        assert_eq!(kinds_of_all(&session).await, [Unready; 4]);
        server.command(&["SCRIPT", "KILL"]);
        assert!(looping.join().expect("a thread that does not panic").is_err());
        assert!(session.is_open());
        fence(look(&session, "b", 1).await);
    }

    async fn a_killed_server_disconnects(mut server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        server.kill();
        assert_eq!(first_error(&session).await, Disconnected);
        assert_eq!(kinds_of_all(&session).await, [Disconnected; 4]);
        assert!(!session.is_open());
        assert_eq!(kind(store(&server.url()).open().await), Disconnected);
        server.restart();
        fence(acquire(&open(&server.url()).await, "a", 2).await);
    }
}

#[tokio::test]
async fn dropping_the_store_and_the_session_leaves_operations_in_flight_alone() {
    let server = Server::builder(Kind::Redis).start();
    let acquiring = open(&server.url()).await.acquire(crate::ask("a", 1));
    fence(acquiring.await);
}
