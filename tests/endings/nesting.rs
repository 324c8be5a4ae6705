//! A body that asks again for what it is holding is told so; everybody else is an ordinary contender.

use std::time::Duration;

use lock_runtime::{Client, LockError, distributed_lock};
use lock_tests::on_every_store;

use crate::{SOON, connect};

on_every_store! {
    async fn a_nested_call_for_the_same_key_is_told_at_once(url: String) {
        let client = connect(&url).await;
        let (same, other) = (client.clone(), connect(&url).await);
        let body = async move {
            let nested = same.lock("job").wait_forever().run(async {}).await;
            let guarded = same.lock("job").wait_forever().acquire().await.map(drop);
            let by_another_client = other.lock("job").wait_forever().run(async {}).await;
            let deeper = same.lock("between").run(async { same.lock("job").wait_forever().acquire().await.map(drop) }).await;
            [nested, guarded, by_another_client, deeper.expect("free")]
        };
        let answers = tokio::time::timeout(SOON * 5, client.lock("job").run(body)).await.expect("no deadlock");
        for answer in answers.expect("free") {
            assert!(matches!(&answer, Err(LockError::AlreadyHeld { key, .. }) if key.as_str() == "job"), "{answer:?}");
        }
        client.lock("job").run(async {}).await.expect("afterwards it is free");
    }

    async fn an_annotated_function_that_calls_itself_is_told_at_once(url: String) {
        #[distributed_lock(key = "count:<n>", ttl = "30s", wait = "forever", client = client)]
        async fn count(client: &Client, n: u32, left: u32) -> Result<u32, LockError> {
            if left == 0 {
                return Ok(0);
            }
            Ok(1 + Box::pin(count(client, n, left - 1)).await?)
        }
        let client = connect(&url).await;
        assert_eq!(count(&client, 1, 0).await.expect("free"), 0);
        let nested = tokio::time::timeout(SOON * 5, count(&client, 1, 3)).await.expect("no deadlock");
        assert!(matches!(nested, Err(LockError::AlreadyHeld { .. })), "{nested:?}");
    }

    async fn another_key_or_namespace_is_another_lock(url: String) {
        let client = connect(&url).await;
        let tenant = Client::builder().namespace("tenant").connect(&url).await.expect("the store is there");
        let inner = client.clone();
        let body = async move {
            inner.lock("other").run(async {}).await.expect("another key");
            tenant.lock("job").run(async {}).await.expect("another namespace");
        };
        client.lock("job").run(body).await.expect("free");
    }

    async fn a_task_that_the_body_spawned_is_an_ordinary_contender(url: String) {
        let client = connect(&url).await;
        let inner = client.clone();
        let body = async move {
            let refused = tokio::spawn(inner.lock("job").acquire()).await.expect("no panic");
            assert!(matches!(refused, Err(LockError::Busy { .. })), "{refused:?}");
            (tokio::spawn(inner.lock("job").wait(SOON * 5).run(async {})),)
        };
        let (waiting,) = client.lock("job").run(body).await.expect("free");
        waiting.await.expect("no panic").expect("granted when the body had ended");
    }

    async fn branches_beside_each_other_take_turns(url: String) {
        let client = connect(&url).await;
        // Each stays for so long that the other asks meanwhile; that it holds the lock is all that it does.
        let branch = || client.lock("job").wait(SOON * 5).run(tokio::time::sleep(Duration::from_millis(20)));
        let (one, two) = tokio::join!(branch(), branch());
        one.and(two).expect("each has its turn");
        let inner = client.clone();
        let outer = async move {
            let branch = || inner.lock("inner").wait(SOON * 5).run(tokio::task::yield_now());
            tokio::join!(branch(), branch())
        };
        let (one, two) = client.lock("outer").run(outer).await.expect("free");
        one.and(two).expect("also inside another body");
    }

    async fn a_guard_in_the_hand_is_an_ordinary_contender(url: String) {
        let client = connect(&url).await;
        let guard = client.lock("job").acquire().await.expect("free");
        let refused = client.lock("job").run(async {}).await;
        assert!(matches!(refused, Err(LockError::Busy { .. })), "{refused:?}");
        drop(guard);
    }

    async fn a_body_that_has_lost_its_lock_may_ask_for_it_again(url: String) {
        let client = connect(&url).await;
        let inner = client.clone();
        let body = async move {
            crate::lease().lost().await;
            inner.lock("job").wait(SOON * 5).run(async {}).await
        };
        let request = client.lock("job").ttl(Duration::from_millis(300)).renew(false).continue_when_lost();
        let again = tokio::time::timeout(SOON * 10, request.run(body)).await.expect("no deadlock");
        again.expect("it goes on").expect("the enclosing body holds it no more");
    }
}
