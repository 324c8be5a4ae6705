//! What a body and its helpers can ask about the lock: `current()`, and a `Lease` that goes elsewhere.

use std::time::Duration;

use lock_runtime::{LockError, LossReason, current, distributed_lock};
use lock_tests::on_every_store;

use crate::{TTL, connect, lease, stays, until_lost};

on_every_store! {
    async fn a_body_sees_its_own_lock_and_nobody_elses(url: String) {
        let client = connect(&url).await;
        assert!(current().is_none());
        let inner = client.clone();
        let body = async move {
            let outer = lease();
            assert_eq!(outer.key().as_str(), "outer");
            assert!(outer.is_held() && outer.remaining() <= TTL && outer.remaining() > TTL / 2);
            let fence = inner.lock("inner").run(async { (lease().key().clone(), lease().fence()) }).await.expect("free");
            assert_eq!(fence.0.as_str(), "inner");
            assert_eq!(lease().key().as_str(), "outer", "the outer one is back");
            assert!(tokio::spawn(async { current().is_none() }).await.expect("no panic"));
            outer.fence()
        };
        let (first, aside) = tokio::join!(client.lock("outer").run(body), async { current().is_none() });
        assert!(aside, "beside a body is not inside");
        let second = client.lock("outer").run(async { lease().fence() }).await.expect("free");
        assert!(second > first.expect("free"), "fences grow");
        assert!(current().is_none());
    }

    async fn a_lease_in_a_spawned_task_hears_of_the_loss(url: String) {
        let client = connect(&url).await;
        let body = async {
            let lease = lease();
            let there = tokio::spawn({
                let lease = lease.clone();
                async move { (lease.is_held(), lease.lost().await, lease.is_held(), lease.remaining()) }
            });
            (lease, there.await.expect("no panic"))
        };
        let request = client.lock("job").ttl(Duration::from_millis(300)).renew(false).continue_when_lost();
        let (lease, told) = request.run(body).await.expect("it goes on");
        assert_eq!(told, (true, LossReason::Expired, false, Duration::ZERO));
        assert!(!lease.is_held());
    }

    async fn a_lease_is_over_when_the_lock_is_released_which_is_no_loss(url: String) {
        let client = connect(&url).await;
        let lease = client.lock("job").run(async { lease() }).await.expect("free");
        assert!(!lease.is_held() && lease.remaining() == Duration::ZERO);
        let lost = lease.lost();
        assert!(tokio::time::timeout(Duration::from_millis(100), lost).await.is_err(), "pending for ever");
    }

    async fn a_body_that_goes_on_after_a_loss_has_its_value_returned(url: String) {
        #[distributed_lock(key = "job", ttl = "300ms", renew = false, on_lost = "continue", client = client)]
        async fn goes_on(client: &lock_runtime::Client) -> Result<LossReason, LockError> {
            let reason = lease().lost().await;
            tokio::task::yield_now().await;
            Ok(reason)
        }
        let client = connect(&url).await;
        assert_eq!(goes_on(&client).await.expect("it goes on"), LossReason::Expired);
        until_lost(&client, 1).await;
    }

    async fn a_scope_reaches_the_calls_inside_it_and_no_spawned_task(url: String) {
        #[distributed_lock(key = "job", ttl = "30s")]
        async fn job() -> Result<u64, LockError> {
            Ok(lease().fence())
        }
        let client = connect(&url).await;
        client.scope(job()).await.expect("free");
        assert_eq!(client.stats().acquired, 1);
        let other = connect(&url).await;
        let both = client.scope(async { (job().await, other.scope(job()).await) }).await;
        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!((client.stats().acquired, other.stats().acquired), (2, 1));
        // What a spawned task finds is the installed client, which is another one or none.
        let spawned = client.scope(async { tokio::spawn(job()).await.expect("no panic") }).await;
        assert!(spawned.is_ok() || matches!(spawned, Err(LockError::NotConfigured { .. })), "{spawned:?}");
        assert_eq!(client.stats().acquired, 2);
    }

    async fn the_stats_count_what_happened_and_what_is(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        assert_eq!(client.stats(), lock_runtime::Stats::default());
        let guard = client.lock("mine").acquire().await.expect("free");
        assert_eq!((client.stats().acquired, client.stats().held), (1, 1));
        let theirs = stranger.lock("theirs").acquire().await.expect("free");
        client.lock("mine").acquire().await.expect_err("busy here");
        client.lock("theirs").acquire().await.expect_err("busy elsewhere");
        assert_eq!(client.stats().busy, 2);

        let waiter = tokio::spawn(client.lock("theirs").wait_forever().acquire());
        let is_waiting = async {
            while client.stats().waiting == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::SOON, is_waiting).await.expect("a waiter is counted");
        theirs.release().await.expect("the store answers");
        let theirs = waiter.await.expect("no panic").expect("released");
        assert_eq!((client.stats().waiting, client.stats().held, client.stats().acquired), (0, 2, 2));
        drop((guard, theirs));
        assert_eq!(client.stats().held, 0);

        let (inside, body) = stays();
        let lost = client.lock("short").ttl(Duration::from_millis(300)).renew(false).run(body);
        lost.await.expect_err("lost");
        inside.await.expect("it was inside");
        until_lost(&client, 1).await;
        assert_eq!((client.stats().unavailable, client.stats().reconnected), (0, 0));
    }
}
