//! Requests that arrive when nobody counts on them any more.

use lock_runtime::{LockError, Released};
use lock_tests::{Proxy, Server, on_every_server};

use crate::callers::{SOON, TTL, connect, connect_impatient, name};

on_every_server! {
    async fn a_request_that_arrives_after_its_caller_gave_up_leaves_no_orphan(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect_impatient(&proxy.url()).await;
        proxy.hold_requests();
        let outcome = client.lock("ghost").acquire().await;
        assert!(matches!(outcome, Err(LockError::Unavailable { .. })), "{outcome:?}");
        proxy.pass();
        drop(client.lock("ghost").wait(SOON).acquire().await.expect("it is free, or soon will be"));
        client.shutdown(SOON).await;
        server.until_gone(&name("ghost"), SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_and_a_release_that_arrive_late_leave_the_next_holder_alone() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let (client, other) = (connect(&proxy.url()).await, connect(&server.url()).await);
    let guard = client.lock("late").ttl(TTL).acquire().await.expect("it is free");
    proxy.hold_requests();
    proxy.until_request_containing(b"EVAL").await;
    drop(guard);
    server.until_gone(&name("late"), SOON).await;
    let next = other.lock("late").acquire().await.expect("the ttl is over");
    let token = server.get(&name("late"));
    proxy.pass();
    // It has had its answers when it is at rest.
    assert!(client.shutdown(SOON).await.left.is_empty());
    assert_eq!(server.get(&name("late")), token);
    assert!(server.pttl(&name("late")) > 20_000);
    assert_eq!(next.release().await.expect("the server is there"), Released::Freed);
}
