//! Replies that come late or never: the server did what it was asked, and nobody heard of it.

use std::time::Instant;

use lock_runtime::{LockError, Released};
use lock_tests::{Proxy, Server, on_every_server};

use crate::callers::{SOON, TTL, connect, connect_impatient, name, until_renewed};
use crate::faulted::warm;

on_every_server! {
    async fn a_reply_held_back_after_its_execution_leaves_no_orphan(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect_impatient(&proxy.url()).await;
        server.reset_commandstats();
        proxy.hold_replies();
        let outcome = client.lock("orphan").acquire().await;
        assert!(matches!(outcome, Err(LockError::Unavailable { .. })), "{outcome:?}");
        assert!(server.commandstats()["set"] > 0, "the server executed it");
        proxy.pass();
        server.until_gone(&name("orphan"), SOON).await;
        let _free = client.lock("orphan").wait(SOON).acquire().await.expect("it is free");
    }

    async fn a_dropped_connection_in_the_middle_of_a_release_is_tried_again(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect(&proxy.url()).await;
        let guard = client.lock("again").acquire().await.expect("it is free");
        proxy.drop_replies();
        let arrived = proxy.until_request_containing(name("again").as_bytes());
        let releasing = tokio::spawn(guard.release());
        arrived.await;
        proxy.pass_anew();
        assert_eq!(releasing.await.expect("no panic").expect("it is tried again"), Released::Freed);
        server.until_gone(&name("again"), SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_whose_reply_is_lost_is_given_back_long_before_its_ttl() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect_impatient(&proxy.url()).await;
    warm(&client).await;
    server.reset_commandstats();
    proxy.drop_replies();
    let unheard = client.lock("lost").run(async { panic!("nobody knows of a grant") }).await;
    assert!(matches!(unheard, Err(LockError::Unavailable { .. })), "{unheard:?}");
    assert!(server.commandstats()["set"] > 0, "the server executed it");
    server.until_gone(&name("lost"), SOON).await;
    proxy.pass_anew();
    drop(client.lock("lost").wait(SOON).acquire().await.expect("it is free"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_whose_replies_are_lost_for_a_while_cost_nothing() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect(&proxy.url()).await;
    let guard = client.lock("unheard").ttl(TTL * 3).acquire().await.expect("it is free");
    let renewal = || proxy.until_request_containing(b"EVAL");
    proxy.drop_replies();
    renewal().await;
    let before = Instant::now() + guard.remaining();
    // The first one had no answer: this is the second try.
    renewal().await;
    assert!(Instant::now() + guard.remaining() < before + TTL / 4, "only a reply confirms");
    proxy.pass_anew();
    until_renewed(&guard).await;
    assert!(client.stats().renew_failed > 0);
    assert_eq!(client.stats().lost, 0);
    assert_eq!(guard.release().await.expect("the server is there"), Released::Freed);
}
