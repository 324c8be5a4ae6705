//! The caller's own time-out falls into the release: the value of a body that has ended is there first, if the client
//! is told how long its callers may wait.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use lock_runtime::{Client, ClientBuilder};
use lock_tests::{Server, on_every_server};
use tokio::time::timeout;

/// What the callers here have; less than a release may take where nothing is set.
const PATIENCE: Duration = Duration::from_millis(600);

async fn client(server: &Server, how: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    how(Client::builder()).connect(&server.url()).await.expect("the server is there")
}

/// A call whose body ends well and takes the server along.
async fn call_at_a_stopped_server(client: &Client, server: &Server) -> Option<u32> {
    let body = async {
        server.stop();
        42
    };
    let outcome = timeout(PATIENCE, client.lock("job").run(body)).await;
    outcome.ok().map(|value| value.expect("the body ran to its end"))
}

on_every_server! {
    async fn a_caller_that_waits_for_no_release_has_the_value_in_the_step_in_which_the_body_ends(server: Server) {
        let client = client(&server, |builder| builder.release_timeout(Duration::ZERO)).await;
        assert_eq!(call_at_a_stopped_server(&client, &server).await, Some(42));
        server.cont();
        server.until_gone("dlock:{job}", Duration::from_secs(5)).await;
        let run = client.lock("panics").run(async { panic!("at work") });
        let outcome: Result<Result<(), _>, _> = AssertUnwindSafe(run).catch_unwind().await;
        assert!(outcome.is_err(), "a panic goes on all the same");
        server.until_gone("dlock:{panics}", Duration::from_secs(5)).await;
    }

    async fn a_call_behind_such_a_release_waits_for_it(server: Server) {
        let client = client(&server, |builder| builder.release_timeout(Duration::ZERO)).await;
        for n in 0..20 {
            assert_eq!(client.lock("job").run(async { n }).await.expect("the release is sent first"), n);
        }
    }

    async fn a_caller_that_waits_for_less_than_it_has_gets_the_value(server: Server) {
        let client = client(&server, |builder| builder.release_timeout(Duration::from_millis(100))).await;
        let start = Instant::now();
        assert_eq!(call_at_a_stopped_server(&client, &server).await, Some(42));
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
        server.cont();
        server.until_gone("dlock:{job}", Duration::from_secs(5)).await;
    }

    /// As documented: by default the key is gone when the call returns, for which it may wait for a second.
    async fn by_default_a_call_may_wait_for_a_second(server: Server) {
        let client = client(&server, |builder| builder).await;
        assert_eq!(call_at_a_stopped_server(&client, &server).await, None);
        server.cont();
        server.until_gone("dlock:{job}", Duration::from_secs(5)).await;
    }
}
