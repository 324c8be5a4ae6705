//! How a client is shut down: nobody new, a grace for those inside, then all is released and reported.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason, Released, distributed_lock};
use lock_tests::{Server, on_every_server, on_every_store};
use tokio::sync::oneshot;

use crate::{SOON, TTL, connect, connect_watched, stays, until_lost};

const GRACE: Duration = Duration::from_millis(500);

fn is_lost_to_shutdown<T: std::fmt::Debug>(outcome: &Result<T, LockError>) -> bool {
    matches!(outcome, Err(LockError::Lost { reason: LossReason::Shutdown, .. }))
}

on_every_store! {
    async fn newcomers_and_waiters_are_refused_while_bodies_may_finish(url: String) {
        let (client, stranger) = (connect(&url).await, connect(&url).await);
        let theirs = stranger.lock("theirs").acquire().await.expect("free");
        let (finish, told) = oneshot::channel();
        let (entered, inside) = oneshot::channel();
        let body = async move {
            entered.send(()).expect("the test waits for it");
            told.await.expect("the test tells it")
        };
        let running = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        let behind_a_stranger = tokio::spawn(client.lock("theirs").wait_forever().acquire());
        let behind_the_body = tokio::spawn(client.lock("job").wait(TTL).run(async {}));
        let both_wait = async {
            while client.stats().waiting < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, both_wait).await.expect("both wait");

        let start = Instant::now();
        let closing = tokio::spawn({
            let client = client.clone();
            async move { client.shutdown(TTL).await }
        });
        let refusals = async {
            let one = behind_a_stranger.await.expect("no panic").map(drop);
            let two = behind_the_body.await.expect("no panic");
            let new = client.clone().lock("new").wait_forever().acquire().await.map(drop);
            [one, two, new]
        };
        for refused in tokio::time::timeout(SOON, refusals).await.expect("at once") {
            assert!(matches!(refused, Err(LockError::ShuttingDown { .. })), "{refused:?}");
        }
        assert!(!closing.is_finished(), "a body is inside");

        finish.send(42).expect("it waits");
        assert_eq!(running.await.expect("no panic").expect("it may finish"), 42);
        let report = closing.await.expect("no panic");
        assert_eq!((report.lost, report.left), (0, vec![]));
        assert!(start.elapsed() < SOON * 3, "nobody waits for a grace that nobody needs");
        stranger.lock("job").run(async {}).await.expect("it was released");
        drop(theirs);
        stranger.lock("new").run(async {}).await.expect("other clients go on");
    }

    async fn what_runs_on_after_the_grace_is_dropped(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let bodies: Vec<_> = (0..3)
            .map(|n| {
                let (inside, body) = stays();
                (inside, tokio::spawn(client.lock(format!("job:{n}")).run(body)))
            })
            .collect();
        let mut tasks = Vec::new();
        for (inside, task) in bodies {
            inside.await.expect("it says so");
            tasks.push(task);
        }
        let start = Instant::now();
        let report = client.shutdown(GRACE).await;
        assert!(start.elapsed() >= GRACE, "{:?}", start.elapsed());
        assert!(start.elapsed() < GRACE + SOON, "{:?}", start.elapsed());
        assert_eq!((report.lost, report.left), (3, vec![]));
        assert!((0..3).all(|n| !onlooker.sees(&format!("job:{n}"))));
        for task in tasks {
            let outcome = task.await.expect("no panic");
            assert!(is_lost_to_shutdown(&outcome), "{outcome:?}");
        }
        until_lost(&client, 3).await;
        assert_eq!(client.stats().held, 0);
    }

    async fn what_does_not_go_is_reported_and_left_to_its_ttl(url: String) {
        #[distributed_lock(key = "stubborn", ttl = "30s", on_lost = "continue", client = client)]
        async fn stubborn(client: Client, entered: oneshot::Sender<()>, told: oneshot::Receiver<u32>) -> Result<u32, LockError> {
            entered.send(()).expect("the test waits for it");
            Ok(told.await.expect("the test tells it"))
        }
        let (client, onlooker) = connect_watched(&url).await;
        let ((entered, inside), (finish, told)) = (oneshot::channel(), oneshot::channel());
        let running = tokio::spawn(stubborn(client.clone(), entered, told));
        inside.await.expect("it says so");
        let guard = client.lock("guard").acquire().await.expect("free");
        let start = Instant::now();
        let report = client.shutdown(Duration::ZERO).await;
        // The releases are given a second.
        assert!(start.elapsed() < Duration::from_secs(1) + SOON, "{:?}", start.elapsed());
        let mut left: Vec<_> = report.left.iter().map(lock_runtime::LockKey::as_str).collect();
        left.sort_unstable();
        assert_eq!((report.lost, left), (2, vec!["guard", "stubborn"]));
        assert!(onlooker.sees("stubborn") && onlooker.sees("guard"));
        assert!(!guard.is_held());
        assert_eq!(guard.lost().await, LossReason::Shutdown);

        finish.send(42).expect("it runs on");
        assert_eq!(running.await.expect("no panic").expect("its value is what the caller gets"), 42);
        drop(guard);
        onlooker.until_gone("stubborn").await;
        onlooker.until_gone("guard").await;
    }

    async fn a_second_shutdown_may_shorten_the_grace_and_hears_the_same(url: String) {
        let client = connect(&url).await;
        let (inside, body) = stays();
        let running = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        let start = Instant::now();
        let (first, second, third) =
            tokio::join!(client.shutdown(TTL), client.shutdown(GRACE), client.shutdown(TTL * 2));
        assert!(start.elapsed() >= GRACE && start.elapsed() < GRACE + SOON, "{:?}", start.elapsed());
        assert_eq!((first.lost, first.left.len()), (1, 0));
        assert_eq!((&first, &first), (&second, &third));
        assert!(is_lost_to_shutdown(&running.await.expect("no panic")));
        assert_eq!(client.shutdown(TTL).await, first, "also afterwards");
    }

    async fn a_shutdown_that_is_dropped_goes_on(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let running = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        {
            let mut shutdown = Box::pin(client.shutdown(GRACE));
            assert!(futures::poll!(&mut shutdown).is_pending());
        }
        let refused = client.lock("other").acquire().await;
        assert!(matches!(refused, Err(LockError::ShuttingDown { .. })), "{refused:?}");
        let outcome = tokio::time::timeout(GRACE + SOON, running).await.expect("by itself").expect("no panic");
        assert!(is_lost_to_shutdown(&outcome), "{outcome:?}");
        onlooker.until_gone("job").await;
    }

    async fn a_shutdown_with_nothing_held_is_over_at_once(url: String) {
        let client = connect(&url).await;
        client.lock("job").run(async {}).await.expect("free");
        let start = Instant::now();
        let report = client.shutdown(TTL).await;
        assert_eq!((report.lost, report.left), (0, vec![]));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
}

on_every_store! {
    async fn a_close_reports_as_a_shutdown_does_and_leaves_nobody_waiting(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let running = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        let guard = client.lock("guard").acquire().await.expect("free");
        let other = client.clone();
        let (one, two) = tokio::join!(client.close(GRACE), other.close(TTL));
        assert_eq!((one.lost, one.left.len()), (2, 1), "{one:?}");
        assert_eq!(one, two);
        assert!(is_lost_to_shutdown(&running.await.expect("no panic")));
        assert!(!onlooker.sees("job") && onlooker.sees("guard"));
        assert_eq!(client.close(TTL).await, one, "also afterwards");
        assert_eq!(client.shutdown(TTL).await, one);

        let refused = other.lock("new").wait_forever().acquire().await;
        assert!(matches!(refused, Err(LockError::ShuttingDown { .. })), "{refused:?}");
        let report = tokio::time::timeout(SOON, client.inspect("guard")).await.expect("nobody answers any more");
        assert!(matches!(report, Err(LockError::Unavailable { .. })), "{report:?}");
        let renewed = guard.renew(TTL).await;
        assert!(matches!(renewed, Err(LockError::Lost { reason: LossReason::Shutdown, .. })), "{renewed:?}");
        let released = tokio::time::timeout(SOON, guard.release()).await.expect("nobody is there to wait for");
        // A store in the process needs no connection.
        assert!(matches!(released, Ok(Released::Freed) | Err(LockError::Unavailable { .. })), "{released:?}");
        assert_eq!(client.stats().held, 0);
    }

    async fn a_close_that_is_dropped_goes_on(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = stays();
        let running = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        {
            let mut close = Box::pin(client.close(GRACE));
            assert!(futures::poll!(&mut close).is_pending());
        }
        let outcome = tokio::time::timeout(GRACE + SOON, running).await.expect("by itself").expect("no panic");
        assert!(is_lost_to_shutdown(&outcome), "{outcome:?}");
        onlooker.until_gone("job").await;
        assert_eq!(tokio::time::timeout(SOON, client.close(GRACE)).await.expect("it is over").lost, 1);
    }
}

on_every_server! {
    /// Whoever awaits a release from a server that is silent is told when nobody is there any more who could end it.
    async fn a_release_that_a_close_leaves_behind_is_not_awaited_for_ever(server: Server) {
        let client = connect(&server.url()).await;
        let guard = client.lock("job").acquire().await.expect("free");
        server.stop();
        let releasing = tokio::spawn(guard.release());
        tokio::task::yield_now().await;
        let report = client.close(Duration::ZERO).await;
        assert_eq!(report.left.len(), 1, "{report:?}");
        let released = tokio::time::timeout(SOON, releasing).await.expect("it ends").expect("no panic");
        assert!(matches!(released, Err(LockError::Unavailable { .. })), "{released:?}");
        server.cont();
    }

    async fn a_shutdown_is_not_held_up_by_a_server_that_is_gone(server: Server) {
        let mut server = server;
        let client = connect(&server.url()).await;
        let (inside, body) = stays();
        let running = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        server.kill();
        let start = Instant::now();
        let report = client.shutdown(GRACE).await;
        assert!(start.elapsed() < GRACE + Duration::from_secs(1) + SOON, "{:?}", start.elapsed());
        assert_eq!((report.lost, report.left.len()), (1, 1), "{report:?}");
        assert!(is_lost_to_shutdown(&running.await.expect("no panic")));
    }
}
