//! A body that has ended has ended: a release that fails changes neither its value nor its error, and holds up nobody
//! for long.

use std::time::{Duration, Instant};

use lock_runtime::{Client, LockError, LossReason};
use lock_tests::{Server, on_every_server};

use crate::SOON;

#[derive(Debug, PartialEq)]
struct Failure(u32);

/// A body that fails with [`Failure`] 7 and takes the server along: its own error comes out, and soon.
async fn assert_failure_comes_out(client: &Client, body: impl Future<Output = Result<(), Failure>>) {
    let start = Instant::now();
    let outcome = client.lock("job").run(body).await.expect("the body ran to its end");
    assert_eq!(outcome, Err(Failure(7)));
    assert!(start.elapsed() < SOON + Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(client.stats().release_failed > 0);
}

on_every_server! {
    async fn the_error_of_a_body_survives_the_death_of_the_server(server: Server) {
        let client = impatient(&server).await;
        let mut server = Some(server);
        let killing = &mut server;
        let body = async move {
            killing.take().expect("once").kill();
            Err(Failure(7))
        };
        assert_failure_comes_out(&client, body).await;
    }

    async fn the_error_of_a_body_survives_a_server_that_falls_silent(server: Server) {
        let client = impatient(&server).await;
        let body = async {
            server.stop();
            Err(Failure(7))
        };
        assert_failure_comes_out(&client, body).await;
        // The release goes on being tried.
        server.cont();
        server.until_gone("dlock:{job}", Duration::from_secs(5)).await;
    }

    async fn the_value_of_a_body_survives_the_loss_of_its_key(server: Server) {
        let client = impatient(&server).await;
        let body = async {
            server.del("dlock:{job}");
            42
        };
        assert_eq!(client.lock("job").run(body).await.expect("the body ran to its end"), 42);
        assert_eq!(client.stats().release_failed, 1);
    }

    async fn nothing_is_awaited_after_a_loss(server: Server) {
        let client = crate::connect(&server.url()).await;
        let ttl = Duration::from_secs(1);
        let body = async {
            server.stop();
            std::future::pending::<()>().await;
        };
        let start = Instant::now();
        let outcome = client.lock("job").ttl(ttl).run(body).await;
        assert!(matches!(outcome, Err(LockError::Lost { reason: LossReason::Expired, .. })), "{outcome:?}");
        // A release would be waited for for a second.
        assert!(start.elapsed() < ttl + Duration::from_millis(800), "{:?}", start.elapsed());
        server.cont();
    }

    async fn a_panic_survives_the_death_of_the_server(server: Server) {
        let client = impatient(&server).await;
        let mut server = server;
        let run = client.lock("job").run(async move {
            server.kill();
            panic!("at work")
        });
        let run: tokio::task::JoinHandle<Result<(), LockError>> = tokio::spawn(run);
        assert!(run.await.expect_err("it panics").is_panic());
    }
}

async fn impatient(server: &Server) -> Client {
    let builder = Client::builder().operation_timeout(Duration::from_millis(500));
    builder.connect(&server.url()).await.expect("the server is there")
}
