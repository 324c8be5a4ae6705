//! Connections that end while nobody asks anything over them.

use std::time::{Duration, Instant};

use lock_tests::{Proxy, Server};

use crate::callers::{SOON, connect, until};
use crate::faulted::{kill_all, tasks, warm};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_server_closed_for_idleness_costs_no_call() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    // A connection that is told of grants is never idle to a server; with RESP2 it is another one than that of calls.
    let client = connect(&format!("{}?protocol=resp2", proxy.url())).await;
    warm(&client).await;
    let open = proxy.counts().open;
    server.command(&["CONFIG", "SET", "timeout", "1"]);
    until("closed", || proxy.counts().open < open).await;
    let asked = Instant::now();
    client.lock("idle").run(async {}).await.expect("it is free");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(client.stats().unavailable, 0);
}

#[tokio::test]
async fn connections_that_end_while_nobody_asks_leave_neither_tasks_nor_connections() {
    let server = Server::redis();
    let proxy = Proxy::before(&server);
    let client = connect(&proxy.url()).await;
    for _ in 0..50 {
        // Until this runtime has a connection of its own, which is a task of redis-rs and one of ours.
        while tasks() < 2 || proxy.counts().open < 2 {
            client.lock("idle").wait(SOON).run(async {}).await.expect("it is free");
        }
        kill_all(&server);
        // The keeper's is made again by itself, if it was just being made.
        until("at rest", || tasks() == 0 && proxy.counts().open <= 1).await;
    }
    client.lock("idle").wait(SOON).run(async {}).await.expect("it is free");
    assert_eq!(client.stats().unavailable, 0);
}
