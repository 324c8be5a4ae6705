//! Everything works wherever futures are polled: on every kind of tokio runtime, also on one without drivers, and on
//! no runtime at all.

use std::rc::Rc;
use std::time::Duration;

use lock_runtime::{Client, LockError, LossReason, Released};
use lock_tests::on_every_store;
use tokio::runtime::Builder;

use crate::{SOON, TTL, aside, connect, connect_watched, lease, runtime};

on_every_store! {
    async fn without_any_tokio_runtime(url: String) {
        on_a_bare_thread(move || futures::executor::block_on(everything(&url))).await;
    }

    async fn on_a_runtime_of_one_thread(url: String) {
        on_a_bare_thread(move || runtime(1).block_on(everything(&url))).await;
    }

    async fn on_a_runtime_of_several_threads(url: String) {
        on_a_bare_thread(move || runtime(2).block_on(async move {
            tokio::spawn(async move { everything(&url).await }).await.expect("no panic");
        }))
        .await;
    }

    async fn on_a_runtime_of_one_thread_without_drivers(url: String) {
        let runtime = || Builder::new_current_thread().build().expect("a runtime can be built");
        on_a_bare_thread(move || runtime().block_on(everything(&url))).await;
    }

    async fn on_a_runtime_of_several_threads_without_drivers(url: String) {
        let runtime = || Builder::new_multi_thread().worker_threads(2).build().expect("a runtime can be built");
        on_a_bare_thread(move || runtime().block_on(async move {
            tokio::spawn(async move { everything(&url).await }).await.expect("no panic");
        }))
        .await;
    }

    async fn in_a_local_set_with_bodies_that_stay_on_their_thread(url: String) {
        on_a_bare_thread(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime(1), async move {
                let client = connect(&url).await;
                let bound = Rc::new(7);
                let body = {
                    let bound = Rc::clone(&bound);
                    async move {
                        tokio::task::yield_now().await;
                        *bound + i32::from(lease().is_held())
                    }
                };
                let task = tokio::task::spawn_local(client.lock("bound").run(body));
                assert_eq!(task.await.expect("no panic").expect("free"), 8);
                everything(&url).await;
            });
        })
        .await;
    }

    async fn a_guard_and_a_call_may_be_dropped_where_there_is_no_runtime(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let guard = client.lock("guard").acquire().await.expect("free");
        let (inside, body) = crate::stays();
        let mut run = Box::pin(client.lock("body").run(body));
        tokio::select! {
            _ = &mut run => panic!("it stays"),
            _ = inside => {}
        }
        assert!(onlooker.sees("guard") && onlooker.sees("body"));
        on_a_bare_thread(move || drop((guard, run))).await;
        onlooker.until_gone("guard").await;
        onlooker.until_gone("body").await;
    }

    async fn a_call_may_move_from_one_executor_to_another(url: String) {
        let client = connect(&url).await;
        let (go_on, told) = tokio::sync::oneshot::channel();
        let body = async move { told.await.expect("the test tells it") };
        let mut run = Box::pin(client.lock("job").run(body));
        // Begun here, on tokio; far enough to be granted.
        let granted = async {
            while client.stats().held == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut run => panic!("it stays"),
            () = granted => {}
        }
        go_on.send(42).expect("the body waits");
        let value = on_a_bare_thread(move || futures::executor::block_on(run)).await;
        assert_eq!(value.expect("free"), 42);
    }
}

/// Runs code on a thread that knows no runtime.
async fn on_a_bare_thread<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(code);
    aside(move || thread.join()).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What everybody uses, without a timer or a socket of the executor's.
async fn everything(url: &str) {
    let (client, stranger) = (connect(url).await, connect(url).await);

    let guard = client.lock("job").ttl(TTL).acquire().await.expect("free");
    assert!(guard.is_held());
    let busy = stranger.lock("job").acquire().await;
    assert!(matches!(busy, Err(LockError::Busy { .. })), "{busy:?}");
    let busy = stranger.lock("job").wait(Duration::from_millis(300)).acquire().await;
    assert!(matches!(busy, Err(LockError::Busy { waited, .. }) if waited.as_millis() >= 300), "{busy:?}");

    // A neighbour of this client, and then one of another.
    let (theirs, ()) = futures::join!(client.lock("job").wait(SOON * 5).acquire(), async { drop(guard) });
    let theirs = theirs.expect("it was dropped");
    let (ours, ()) = futures::join!(stranger.lock("job").wait(SOON * 5).acquire(), async { drop(theirs) });
    let ours = ours.expect("it was dropped");
    ours.renew(TTL * 2).await.expect("the store answers");
    assert_eq!(ours.release().await.expect("the store answers"), Released::Freed);

    assert_eq!(client.lock("job").run(async { lease().key().to_string() }).await.expect("free"), "job");
    // The key is gone when the call returns, here too.
    stranger.lock("job").run(async {}).await.expect("free");

    let pending = std::future::pending::<()>();
    let lost = client.lock("short").ttl(Duration::from_millis(300)).renew(false).run(pending).await;
    assert!(matches!(lost, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{lost:?}");

    let other = Client::connect_lazy(url).expect("a good URL");
    other.lock("lazy").wait(SOON * 5).run(async {}).await.expect("free");
    let report = other.shutdown(Duration::ZERO).await;
    assert!(report.left.is_empty(), "{report:?}");
}
