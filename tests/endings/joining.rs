//! Calls that are part of an enclosing body which holds their key.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use lock_runtime::{Client, LockError, LossReason, OptionFault, current, distributed_lock};
use lock_tests::on_every_store;
use tokio::task::yield_now;

use crate::{SOON, connect, connect_watched};

const KEY: &str = "account:7";

fn joining(client: &Client) -> lock_runtime::LockRequest {
    client.lock(KEY).join_held()
}

/// The fence of the lease under which this runs.
async fn fence() -> u64 {
    yield_now().await;
    current().expect("it runs under a lease").fence()
}

#[distributed_lock(key = "depth", on_held = "join", client = client)]
async fn deep(client: &Client, left: u32) -> Result<u64, LockError> {
    yield_now().await;
    if left == 0 { Ok(current().expect("a lease").fence()) } else { Box::pin(deep(client, left - 1)).await }
}

on_every_store! {
    async fn a_call_inside_of_a_body_that_holds_its_key_is_part_of_it(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let body = async {
            let outer = fence().await;
            for _ in 0..2 {
                assert_eq!(joining(&client).run(fence()).await.expect("it joins"), outer);
            }
            // Its end released nothing.
            assert!(current().expect("a lease").is_held());
            assert!(onlooker.sees(KEY));
        };
        client.lock(KEY).run(body).await.expect("free");
        assert_eq!(client.stats().acquired, 1);
        joining(&client).run(fence()).await.expect("outside of a body it takes the lock itself");
        assert_eq!(client.stats().acquired, 2);
    }

    async fn branches_beside_each_other_are_part_of_one_body(url: String) {
        let client = connect(&url).await;
        let fences = client.lock(KEY).run(async {
            futures::join!(joining(&client).run(fence()), joining(&client).run(fence()))
        });
        let (one, other) = fences.await.expect("free");
        assert_eq!(one.expect("it joins"), other.expect("it joins"));
    }

    async fn a_function_that_joins_may_call_itself_a_hundred_deep(url: String) {
        let client = connect(&url).await;
        deep(&client, 100).await.expect("each is part of the first");
        assert_eq!(client.stats().acquired, 1);
    }

    async fn another_key_and_another_client_s_namespace_are_not_joined(url: String) {
        let client = connect(&url).await;
        let tenant = Client::builder().namespace("tenant").connect(&url).await.expect("the store is there");
        client.lock(KEY).run(async {
            let outer = fence().await;
            let theirs = tenant.lock(KEY).join_held().run(fence()).await.expect("it is free there");
            let other = client.lock("other").join_held().run(fence()).await.expect("it is free");
            assert!(theirs != outer && other != outer);
        }).await.expect("free");
        assert_eq!((client.stats().acquired, tenant.stats().acquired), (2, 1));
    }

    async fn a_spawned_task_is_inside_of_nothing_and_waits_its_turn(url: String) {
        let client = connect(&url).await;
        let request = joining(&client);
        let busy = client.lock(KEY).run(async move { tokio::spawn(request.run(async {})).await.expect("no panic") });
        assert!(matches!(busy.await.expect("free"), Err(LockError::Busy { .. })));
    }

    async fn a_future_that_leaves_the_body_it_was_part_of_stops(url: String) {
        let client = connect(&url).await;
        // Returned from the body.
        let mut escaped = Box::pin(joining(&client).run(pending::<()>()));
        client.lock(KEY).run(poll_fn(|cx| {
            assert!(escaped.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })).await.expect("free");
        let lost = tokio::time::timeout(SOON, escaped).await.expect("at once");
        assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{lost:?}");
        // Sent elsewhere while the body goes on.
        let elsewhere = client.lock(KEY).run(async {
            let mut sent = Box::pin(joining(&client).run(pending::<()>()));
            poll_fn(|cx| {
                assert!(sent.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            tokio::spawn(sent).await.expect("no panic")
        });
        assert!(matches!(elsewhere.await.expect("free"), Err(LockError::Lost { .. })));
    }

    async fn the_loss_of_the_body_is_that_of_what_is_part_of_it(url: String) {
        let client = connect(&url).await;
        let ttl = Duration::from_millis(300);
        let request = || client.lock(KEY).ttl(ttl).renew(false);
        let lost = request().run(joining(&client).run(pending::<()>())).await;
        assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{lost:?}");
        // A body that runs on takes along what would, too.
        let outlive = async || {
            let lost = current().expect("a lease").lost().await;
            yield_now().await;
            lost
        };
        let both = request().continue_when_lost().run(joining(&client).continue_when_lost().run(outlive()));
        assert_eq!(both.await.expect("free").expect("it runs on"), LossReason::Expired);
        let outer = request().continue_when_lost().run(joining(&client).run(outlive()));
        assert!(matches!(outer.await.expect("free"), Err(LockError::Lost { .. })), "it was to be dropped");
    }

    async fn a_panic_goes_through_and_the_lock_is_released_by_whoever_took_it(url: String) {
        let client = connect(&url).await;
        let calls = client.clone();
        let panicked = tokio::spawn(async move {
            calls.lock(KEY).run(joining(&calls).run(async { panic!("inside") })).await
        });
        assert!(panicked.await.expect_err("it panics").is_panic());
        client.lock(KEY).wait(SOON).run(async {}).await.expect("it is free again");
    }

    async fn a_guard_cannot_be_part_of_a_body(url: String) {
        let client = connect(&url).await;
        let refused = joining(&client).acquire().await.expect_err("whether somebody holds it or not");
        assert!(matches!(refused, LockError::InvalidOptions { fault: OptionFault::GuardThatJoins, .. }), "{refused:?}");
    }
}

/// A lock that joins may be a field of a future that is moved before its first poll.
#[test]
fn a_call_that_joins_is_as_movable_as_another() {
    fn assert_send_and_static<T: Send + 'static>(_: &T) {}
    let client = Client::connect_lazy("memory://").expect("memory needs no server");
    let call: Pin<Box<_>> = Box::pin(joining(&client).run(async {}));
    assert_send_and_static(&call);
}
