//! Somebody deletes the key, or writes over it.

use std::future::pending;
use std::time::Duration;

use lock_runtime::{LockError, LossReason, Released};
use lock_tests::{Server, on_every_server};

use super::{SOON, connect, name};

const TTL: Duration = Duration::from_millis(1500);

on_every_server! {
    async fn a_deleted_key_cancels_the_body_at_the_next_renewal(server: Server) {
        let client = connect(&server.url()).await;
        let body = async {
            server.del(&name("deleted"));
            pending::<()>().await;
        };
        let outcome = tokio::time::timeout(SOON, client.lock("deleted").ttl(TTL).run(body)).await.expect("it is lost");
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Stolen, .. })), "{outcome:?}");
    }

    async fn a_strangers_key_is_neither_extended_nor_deleted(server: Server) {
        let client = connect(&server.url()).await;
        let key = name("overwritten");
        let body = async {
            server.command(&["SET", &key, "stranger", "PX", "60000"]);
            pending::<()>().await;
        };
        let request = client.lock("overwritten").ttl(TTL);
        let outcome = tokio::time::timeout(SOON, request.run(body)).await.expect("it is lost");
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Stolen, .. })), "{outcome:?}");
        // The release behind the loss has come back when the client is at rest.
        client.shutdown(SOON).await;
        assert_eq!(server.get(&key).as_deref(), Some("stranger"));
        let left = server.pttl(&key);
        assert!((50_000..=60_000).contains(&left), "{left}");
    }

    async fn a_guard_whose_key_was_taken_is_told_by_its_release(server: Server) {
        let client = connect(&server.url()).await;
        let guard = client.lock("taken").acquire().await.expect("it is free");
        server.command(&["SET", &name("taken"), "stranger", "PX", "60000"]);
        assert_eq!(guard.release().await.expect("the server is there"), Released::NotOurs);
        assert_eq!(server.get(&name("taken")).as_deref(), Some("stranger"));
        assert_eq!(client.stats().release_failed, 1);
    }
}
