//! A body that is taken away releases its lock soon: by a time-out, `select!`, an abort, the end of its runtime, a
//! shutdown. Never by its ttl, which is half a minute here.

use std::pin::pin;
use std::time::Duration;

use lock_runtime::{Client, LockError, LossReason};
use lock_tests::{Server, on_every_server, on_every_store};

use crate::{SOON, aside, connect, connect_watched, runtime, stays};

on_every_store! {
    async fn a_body_that_is_timed_out_releases(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let mut run = Box::pin(client.lock("job").run(body));
        tokio::select! {
            _ = &mut run => panic!("it stays"),
            inside = inside => inside.expect("it says so"),
        }
        assert!(onlooker.sees("job"));
        assert!(tokio::time::timeout(Duration::from_millis(1), run).await.is_err());
        onlooker.until_gone("job").await;
    }

    async fn a_body_that_a_select_drops_releases(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        tokio::select! {
            _ = client.lock("job").run(body) => panic!("it stays"),
            () = async { inside.await.expect("it says so"); assert!(onlooker.sees("job")) } => {}
        }
        onlooker.until_gone("job").await;
    }

    async fn an_aborted_task_releases(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let task = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        assert!(onlooker.sees("job"));
        task.abort();
        assert!(task.await.expect_err("aborted").is_cancelled());
        onlooker.until_gone("job").await;
    }

    async fn a_guard_that_is_dropped_releases(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let guard = client.lock("job").acquire().await.expect("free");
        assert!(onlooker.sees("job"));
        drop(guard);
        onlooker.until_gone("job").await;
    }

    async fn a_runtime_that_is_dropped_releases_what_ran_on_it(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        for threads in [1, 2] {
            let (client, onlooker) = (client.clone(), onlooker.clone());
            aside(move || {
                let runtime = runtime(threads);
                hold_on(&runtime, &client);
                assert!(onlooker.sees("body") && onlooker.sees("guard"));
                drop(runtime);
            })
            .await;
            onlooker_sees_all_gone(&url).await;
        }
    }

    async fn a_runtime_that_is_shut_down_in_the_background_releases_what_ran_on_it(url: String) {
        let client = connect(&url).await;
        for threads in [1, 2] {
            let client = client.clone();
            aside(move || {
                let runtime = runtime(threads);
                hold_on(&runtime, &client);
                runtime.shutdown_background();
            })
            .await;
            onlooker_sees_all_gone(&url).await;
        }
    }

    async fn a_client_that_was_made_on_the_runtime_that_ends_releases_too(url: String) {
        let made_there = url.clone();
        aside(move || {
            let runtime = runtime(2);
            let client = runtime.block_on(connect(&made_there));
            hold_on(&runtime, &client);
        })
        .await;
        onlooker_sees_all_gone(&url).await;
    }

    async fn a_shutdown_has_released_when_it_returns(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let task = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        assert!(onlooker.sees("job"));
        let report = client.shutdown(Duration::ZERO).await;
        assert!(!onlooker.sees("job"));
        assert_eq!((report.lost, report.left), (1, vec![]));
        let outcome = task.await.expect("no panic");
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Shutdown, .. })), "{outcome:?}");
    }

    async fn an_acquire_that_is_dropped_leaves_nothing_behind(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        for _ in 0..50 {
            let mut acquire = pin!(client.lock("job").acquire());
            // One poll sends the question; whether the answer is here already is left to chance.
            if let std::task::Poll::Ready(guard) = futures::poll!(&mut acquire) {
                drop(guard.expect("free, and a release that is under way is waited for"));
            }
        }
        onlooker.until_gone("job").await;
    }

    async fn what_was_dropped_can_be_acquired_at_once_by_the_same_client(url: String) {
        let client = connect(&url).await;
        for _ in 0..200 {
            drop(client.lock("job").acquire().await.expect("a release that is under way is waited for"));
        }
        for _ in 0..20 {
            let (inside, body) = stays();
            let run = client.lock("job").run(body);
            tokio::select! {
                outcome = run => panic!("{outcome:?}"),
                inside = inside => inside.expect("it says so"),
            }
            client.lock("job").run(async {}).await.expect("a release that is under way is waited for");
        }
        assert_eq!(client.stats().busy, 0);
    }
}

on_every_server! {
    async fn an_acquire_that_is_dropped_before_its_answer_leaves_nothing_behind(server: Server) {
        let client = connect(&server.url()).await;
        client.lock("job").run(async {}).await.expect("free");
        server.stop();
        let acquire = tokio::time::timeout(Duration::from_millis(100), client.lock("job").acquire()).await;
        assert!(acquire.is_err(), "nobody answers");
        server.cont();
        client.lock("job").wait(SOON * 5).run(async {}).await.expect("the answer was given back");
        server.until_gone("dlock:{job}", SOON).await;
    }

    async fn a_call_that_is_dropped_while_it_releases_is_released_all_the_same(server: Server) {
        let client = connect(&server.url()).await;
        let body = async { server.stop() };
        let releasing = tokio::time::timeout(Duration::from_millis(500), client.lock("job").run(body)).await;
        assert!(releasing.is_err(), "nobody answers");
        server.cont();
        server.until_gone("dlock:{job}", SOON).await;
    }
}

/// Leaves a body that stays and a task with a guard on the runtime.
fn hold_on(runtime: &tokio::runtime::Runtime, client: &Client) {
    let (inside, body) = stays();
    drop(runtime.spawn(client.lock("body").run(body)));
    let (holds, keeps) = stays();
    let guarding = client.lock("guard").acquire();
    drop(runtime.spawn(async move {
        let _guard = guarding.await.expect("free");
        keeps.await;
    }));
    let both = async { tokio::time::timeout(SOON, async { (inside.await, holds.await) }).await };
    let (inside, holds) = runtime.block_on(both).expect("a moment is enough");
    inside.and(holds).expect("both say so");
}

async fn onlooker_sees_all_gone(url: &str) {
    let onlooker = crate::Onlooker::at(url);
    onlooker.until_gone("body").await;
    onlooker.until_gone("guard").await;
}
