//! An acquire that is dropped at any of its await points leaves nothing behind.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use lock_runtime::Client;
use lock_tests::{Proxy, Server, on_every_server, on_every_store};

use super::{SOON, connect, name};

/// Polls an acquire so many times and drops it; says whether it came to its end before.
async fn dropped_after(client: &Client, key: &str, polls: usize) -> bool {
    let mut acquire = pin!(client.lock(key).wait(SOON).acquire());
    for _ in 0..polls {
        let done = poll_fn(|cx| Poll::Ready(acquire.as_mut().poll(cx).is_ready())).await;
        if done {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

on_every_store! {
    async fn an_acquire_dropped_after_any_poll_leaves_no_key(url: String) {
        let client = connect(&url).await;
        let stranger = connect(&url).await;
        let mut polls = 0;
        while !dropped_after(&client, "dropped", polls).await {
            let guard = stranger.lock("dropped").wait(SOON).acquire().await.expect("nobody holds it");
            guard.release().await.expect("the store is there");
            polls += 1;
            assert!(polls < 10_000, "an acquire comes to its end");
        }
        let _free = stranger.lock("dropped").wait(SOON).acquire().await.expect("the guard was dropped too");
    }

    async fn a_waiter_dropped_after_any_poll_leaves_the_holder_alone(url: String) {
        let client = connect(&url).await;
        let holder = client.lock("held").acquire().await.expect("it is free");
        for polls in 0..20 {
            assert!(!dropped_after(&client, "held", polls).await);
        }
        let elsewhere = connect(&url).await;
        for polls in 0..20 {
            assert!(!dropped_after(&elsewhere, "held", polls).await);
        }
        assert!(holder.is_held());
        assert_eq!(holder.release().await.expect("the store is there"), lock_runtime::Released::Freed);
        assert_eq!((client.stats().waiting, elsewhere.stats().waiting), (0, 0));
    }
}

on_every_server! {
    async fn an_acquire_dropped_before_its_reply_is_given_back_at_once(server: Server) {
        let proxy = Proxy::before(&server);
        let client = connect(&proxy.url()).await;
        // So that the runtime has a line of its own: the first acquires may go by the keeper's.
        for _ in 0..100 {
            drop(client.lock("warm").acquire().await.expect("it is free"));
        }
        proxy.hold_replies();
        let executed = proxy.until_request_containing(b"NX");
        {
            let mut acquire = pin!(client.lock("dropped").acquire());
            let mut executed = pin!(executed);
            poll_fn(|cx| {
                assert!(acquire.as_mut().poll(cx).is_pending());
                executed.as_mut().poll(cx)
            })
            .await;
            server.until_there(&name("dropped"), SOON).await;
        }
        proxy.pass();
        server.until_gone(&name("dropped"), SOON).await;
    }
}
