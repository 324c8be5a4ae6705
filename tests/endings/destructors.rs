//! Whatever a body owns is gone before its lock is released, however the body ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lock_runtime::{Client, LockError, distributed_lock};
use lock_tests::on_every_store;
use tokio::sync::oneshot;

use crate::{Onlooker, connect_watched, stays};

/// Looks in its destructor whether the lock is still held.
struct Witness {
    onlooker: Onlooker,
    saw: Arc<Mutex<Vec<bool>>>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.saw.lock().expect("no panic").push(self.onlooker.sees("job"));
    }
}

/// What the witnesses saw.
#[derive(Default)]
struct Statements(Arc<Mutex<Vec<bool>>>);

impl Statements {
    fn witness(&self, onlooker: &Onlooker) -> Witness {
        Witness { onlooker: onlooker.clone(), saw: Arc::clone(&self.0) }
    }

    /// All that they saw since the last time.
    fn take(&self) -> Vec<bool> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

on_every_store! {
    async fn destructors_of_a_body_that_returns_run_under_the_lock(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let statements = Statements::default();
        let (captured, local) = (statements.witness(&onlooker), statements.witness(&onlooker));
        let body = async move {
            let _captured_and_never_polled_away = &captured;
            let _local = local;
            tokio::task::yield_now().await;
        };
        client.lock("job").run(body).await.expect("free");
        assert_eq!(statements.take(), [true, true]);
        assert!(!onlooker.sees("job"));
    }

    async fn destructors_of_a_body_that_panics_run_under_the_lock(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let statements = Statements::default();
        let witness = statements.witness(&onlooker);
        // By hand, so that the future still owns its witness after the panic.
        let body = std::future::poll_fn(move |_| -> std::task::Poll<()> {
            let _still_mine = &witness;
            panic!("at work")
        });
        tokio::spawn(client.lock("job").run(body)).await.expect_err("it panics");
        assert_eq!(statements.take(), [true]);
        assert!(!onlooker.sees("job"));
    }

    async fn destructors_of_an_aborted_body_run_under_the_lock(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let statements = Statements::default();
        let witness = statements.witness(&onlooker);
        let (inside, stay) = stays();
        let body = async move {
            let _local = witness;
            stay.await;
        };
        let task = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        task.abort();
        task.await.expect_err("aborted");
        assert_eq!(statements.take(), [true]);
        onlooker.until_gone("job").await;
    }

    async fn destructors_of_a_dropped_body_run_under_the_lock(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let statements = Statements::default();
        let witness = statements.witness(&onlooker);
        let (inside, stay) = stays();
        let body = async move {
            let _local = witness;
            stay.await;
        };
        tokio::select! {
            _ = client.lock("job").run(body) => panic!("it stays"),
            _ = inside => {}
        }
        assert_eq!(statements.take(), [true]);
        onlooker.until_gone("job").await;
    }

    async fn destructors_of_a_body_lost_to_a_shutdown_run_under_the_lock(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let statements = Statements::default();
        let witness = statements.witness(&onlooker);
        let (inside, stay) = stays();
        let body = async move {
            let _local = witness;
            stay.await;
        };
        let task = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        client.shutdown(Duration::ZERO).await;
        task.await.expect("no panic").expect_err("lost");
        assert_eq!(statements.take(), [true]);
    }

    async fn arguments_that_the_body_never_names_are_dropped_under_the_lock(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let statements = Statements::default();
        permitted(&client, statements.witness(&onlooker), true, stays()).await.expect("free");
        assert_eq!(statements.take(), [true]);
        assert!(!onlooker.sees("job"));

        let body = stays();
        let (entered, inside) = oneshot::channel();
        let (inner, stay) = body;
        let call = permitted(&client, statements.witness(&onlooker), false, (inner, async move {
            entered.send(()).expect("the test waits for it");
            stay.await;
        }));
        tokio::select! {
            _ = call => panic!("it stays"),
            _ = inside => {}
        }
        assert_eq!(statements.take(), [true]);
        onlooker.until_gone("job").await;
    }

    async fn arguments_of_a_body_that_does_not_run_are_gone_when_the_caller_hears(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let held = client.lock("job").acquire().await.expect("free");
        let statements = Statements::default();
        let refused = permitted(&client, statements.witness(&onlooker), true, stays()).await;
        assert!(matches!(refused, Err(LockError::Busy { .. })));
        assert_eq!(statements.take(), [true]);
        drop(held);
    }
}

/// Panics in its destructor.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

/// A body with a bomb in it.
fn armed() -> (oneshot::Receiver<()>, impl Future<Output = ()> + Send + 'static) {
    let (inside, stay) = stays();
    let body = async move {
        let _bomb = Bomb;
        stay.await;
    };
    (inside, body)
}

on_every_store! {
    async fn a_destructor_that_panics_leaves_no_lock_behind(url: String) {
        let (client, onlooker) = connect_watched(&url).await;
        let (inside, body) = armed();
        let aborted = tokio::spawn(client.lock("job").run(body));
        inside.await.expect("it says so");
        aborted.abort();
        let _ = aborted.await;
        onlooker.until_gone("job").await;

        let (inside, body) = armed();
        let lost = tokio::spawn(client.lock("job").ttl(Duration::from_millis(300)).renew(false).run(body));
        inside.await.expect("it says so");
        assert!(lost.await.expect_err("the destructor's").is_panic());
        assert_eq!(client.stats().held, 0);
        client.lock("job").wait(crate::SOON).run(async {}).await.expect("nobody holds it");

        let returned = tokio::spawn(client.lock("job").run(async { drop(Bomb) }));
        assert!(returned.await.expect_err("the destructor's").is_panic());
        assert!(!onlooker.sees("job"));

        let owner = Bomb;
        let both = std::future::poll_fn(move |_| -> std::task::Poll<()> {
            let _still_mine = &owner;
            panic!("the body's own")
        });
        let panic = tokio::spawn(client.lock("job").run(both)).await.expect_err("both panic").into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the body's own"));
        assert!(!onlooker.sees("job"));
    }
}

#[distributed_lock(key = "job", ttl = "30s", client = client)]
async fn permitted<F: Future<Output = ()>>(
    client: &Client,
    _permit: Witness,
    returns: bool,
    (_inside, stay): (oneshot::Receiver<()>, F),
) -> Result<(), LockError> {
    if !returns {
        stay.await;
    }
    Ok(())
}
