//! Connections that break, replies that are late or lost, scripts that the server forgot.

use std::time::Duration;

use lock_runtime::{Client, LockError};
use lock_tests::{Proxy, Server, on_every_server};

use super::{SOON, connect, name};

const TTL: Duration = Duration::from_secs(2);

/// Holds a lock for two ttl while the fault happens again and again; the lease must survive it, and be freed after it.
async fn survives(server: &Server, client: &Client, fault: impl Fn()) {
    let guard = client.lock("survivor").ttl(TTL).acquire().await.expect("it is free");
    for _ in 0..8 {
        fault();
        // The time between two faults: renewals go on in it.
        tokio::time::sleep(TTL / 4).await;
        assert!(guard.is_held());
    }
    drop(guard);
    server.until_gone(&name("survivor"), SOON).await;
    assert_eq!(client.stats().lost, 0);
}

/// Kills all connections; those over which a server tells of grants are of a type of their own.
fn kill_all(server: &Server) {
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
}

on_every_server! {
    async fn a_lease_survives_forgotten_scripts(server: Server) {
        let client = connect(&server.url()).await;
        survives(&server, &client, || drop(server.command(&["SCRIPT", "FLUSH"]))).await;
    }

    async fn a_lease_survives_killed_connections(server: Server) {
        let client = connect(&server.url()).await;
        survives(&server, &client, || kill_all(&server)).await;
        assert!(client.stats().reconnected > 0);
    }

    async fn a_lease_survives_a_pause_of_the_server(server: Server) {
        let client = connect(&server.url()).await;
        survives(&server, &client, || drop(server.command(&["CLIENT", "PAUSE", "300", "ALL"]))).await;
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
            assert_eq!(guard.release().await.expect("the server is there"), lock_runtime::Released::Freed);
        }
        client.shutdown(SOON).await;
        assert_eq!(server.keys(), ["lock:fence"]);
    }

    async fn a_reply_held_back_after_its_execution_leaves_no_orphan(server: Server) {
        let proxy = Proxy::before(&server);
        let client =
            Client::builder().operation_timeout(Duration::from_millis(500)).connect(&proxy.url()).await.expect("there");
        server.reset_commandstats();
        proxy.hold_replies();
        let outcome = client.lock("orphan").acquire().await;
        assert!(matches!(outcome, Err(LockError::Unavailable { .. })), "{outcome:?}");
        assert!(server.commandstats()["set"] > 0, "the server executed it");
        proxy.pass();
        server.until_gone(&name("orphan"), SOON).await;
        let _free = client.lock("orphan").wait(SOON).acquire().await.expect("it is free");
    }

    async fn a_request_that_arrives_after_its_caller_gave_up_leaves_no_orphan(server: Server) {
        let proxy = Proxy::before(&server);
        let client =
            Client::builder().operation_timeout(Duration::from_millis(500)).connect(&proxy.url()).await.expect("there");
        proxy.hold_requests();
        let outcome = client.lock("ghost").acquire().await;
        assert!(matches!(outcome, Err(LockError::Unavailable { .. })), "{outcome:?}");
        proxy.pass();
        drop(client.lock("ghost").wait(SOON).acquire().await.expect("it is free, or soon will be"));
        client.shutdown(SOON).await;
        server.until_gone(&name("ghost"), SOON).await;
    }

    async fn a_dropped_connection_in_the_middle_of_a_release_is_tried_again(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect(&proxy.url()).await;
        let guard = client.lock("again").acquire().await.expect("it is free");
        proxy.drop_replies();
        let releasing = tokio::spawn(guard.release());
        proxy.until_request_containing(b"EVAL").await;
        proxy.pass_anew();
        assert_eq!(releasing.await.expect("no panic").expect("it is tried again"), lock_runtime::Released::Freed);
        server.until_gone(&name("again"), SOON).await;
    }
}
