//! Servers that refuse: full ones, ones without replicas, and ones that know the user no more.

use std::time::{Duration, Instant};

use lock_runtime::store::StoreErrorKind;
use lock_runtime::{Client, LockError, LossReason, Released};
use lock_tests::{Proxy, Server, on_every_server};

use crate::{SOON, TTL, connect, connect_impatient, loss_of, name, staying, until_renewed};

/// The kind of error that an acquire of a free key comes to.
async fn refusal(client: &Client, wait: Duration) -> StoreErrorKind {
    match client.lock("other").wait(wait).run(async { panic!("it is refused") }).await {
        Err(LockError::Unavailable { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    }
}

on_every_server! {
    async fn a_full_server_grants_nothing_and_renews_and_releases_what_is_held(server: Server) {
        let client = connect(&server.url()).await;
        let guard = client.lock("held").ttl(TTL).acquire().await.expect("it is free");
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(refusal(&client, Duration::ZERO).await, StoreErrorKind::Unready);
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{held}"], "no half of a grant");
        until_renewed(&guard).await;
        assert_eq!(guard.release().await.expect("it takes no memory"), Released::Freed);
    }

    async fn a_server_without_its_replicas_grants_nothing_and_what_is_held_is_lost_by_its_deadline(server: Server) {
        let client = connect(&server.url()).await;
        let (visit, run) = staying(&client, "held", TTL).await;
        let entered = Instant::now();
        server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        assert_eq!(refusal(&client, Duration::ZERO).await, StoreErrorKind::Unready);
        assert_eq!(loss_of(run).await, LossReason::Expired);
        assert!(visit.left_at() < entered + TTL, "{:?}", visit.left_at() - entered);
        server.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
        drop(client.lock("held").wait(SOON).acquire().await.expect("it takes writes again"));
    }

    async fn a_missing_right_is_told_at_once_to_those_who_would_wait(server: Server) {
        server.command(&["ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "&*", "+@all"]);
        let client = connect(&server.url().replace("redis://", "redis://app:secret@")).await;
        server.command(&["ACL", "SETUSER", "app", "-@all"]);
        let asked = Instant::now();
        assert_eq!(refusal(&client, SOON * 6).await, StoreErrorKind::Refused);
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    }
}

/// Holds and asks through this user while its rights are revoked.
async fn assert_revoked(server: &Server, user: &str, revocation: &[&str]) {
    server.command(&["ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all"]);
    let proxy = Proxy::before(server);
    let client = connect_impatient(&proxy.url().replace("redis://", &format!("redis://{user}:secret@"))).await;
    let (visit, run) = staying(&client, user, TTL).await;
    let (entered, before) = (Instant::now(), proxy.counts());
    server.command(revocation);
    refusal(&client, Duration::ZERO).await;
    assert!(entered.elapsed() < SOON / 2, "{:?}", entered.elapsed());
    assert_eq!(loss_of(run).await, LossReason::Expired);
    assert!(visit.left_at() < entered + TTL, "{:?}", visit.left_at() - entered);
    let after = proxy.counts();
    let (connections, bytes) = (after.connections - before.connections, after.request_bytes - before.request_bytes);
    assert!(connections < 40 && bytes < 60_000, "{connections} connections, {bytes} bytes");
    server.until_gone(&name(user), SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_rights_fail_in_time_and_what_is_held_is_lost_by_its_deadline_without_a_storm() {
    let server = Server::redis();
    tokio::join!(
        assert_revoked(&server, "restricted", &["ACL", "SETUSER", "restricted", "-@all"]),
        assert_revoked(&server, "deleted", &["ACL", "DELUSER", "deleted"]),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_is_told_that_it_is_refused() {
    let server = Server::redis();
    server.command(&["ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all"]);
    let client = connect(&server.url().replace("redis://", "redis://app:secret@")).await;
    client.lock("other").run(async {}).await.expect("it is free");
    server.command(&["ACL", "DELUSER", "app"]);
    // Not that it is disconnected, which is what came of the refusal.
    assert_eq!(refusal(&client, Duration::from_secs(2)).await, StoreErrorKind::Refused);
}
