//! Connections that are killed or reset, while a lock is held, between a grant and its reply, or as one is taken.

use lock_runtime::{LockError, Released};
use lock_tests::{Proxy, Server, on_every_server};

use crate::callers::{SOON, connect, name};
use crate::faulted::{kill_all, survives, warm};

on_every_server! {
    async fn a_lease_survives_killed_connections(server: Server) {
        let client = connect(&server.url()).await;
        survives(&server, &client, || kill_all(&server)).await;
        assert!(client.stats().reconnected > 0);
    }

    async fn a_lease_survives_resets_and_lost_replies(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect(&proxy.url()).await;
        survives(&server, &client, || proxy.reset_all()).await;
        survives(&server, &client, || {
            proxy.pass();
            proxy.cut_after_reply_bytes(3);
        })
        .await;
    }

    async fn a_lock_taken_while_connections_are_killed_is_granted_once(server: Server) {
        let client = connect(&server.url()).await;
        for round in 0..20 {
            let key = format!("round:{round}");
            let acquire = tokio::spawn(client.lock(key.clone()).wait(SOON).acquire());
            kill_all(&server);
            let guard = acquire.await.expect("it does not panic").expect("the server is there");
            assert!(matches!(client.lock(key.as_str()).acquire().await, Err(LockError::Busy { .. })));
            assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
        }
        client.shutdown(SOON).await;
        assert_eq!(server.keys(), ["dlock:fence"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_between_a_grant_and_its_reply_grants_once() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let (client, stranger) = (connect(&proxy.url()).await, connect(&server.url()).await);
    warm(&client).await;
    let before = client.stats().acquired;
    proxy.hold_replies();
    let acquire = tokio::spawn(client.lock("once").wait(SOON).acquire());
    server.until_there(&name("once"), SOON).await;
    proxy.pass_anew();
    let guard = acquire.await.expect("no panic").expect("it knows its token, or asks again");
    assert!(matches!(stranger.lock("once").acquire().await, Err(LockError::Busy { .. })));
    assert_eq!(client.stats().acquired, before + 1);
    let fence = guard.fence();
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
    assert!(stranger.lock("once").acquire().await.expect("it was freed").fence() > fence);
    // A grant that nobody saw would be there for half a minute.
    client.shutdown(SOON).await;
    server.until_gone(&name("once"), SOON).await;
}
