//! Servers that somebody's script keeps busy.

use std::thread;
use std::time::{Duration, Instant};

use lock_runtime::LossReason;
use lock_runtime::store::StoreErrorKind::Unready;
use lock_tests::{Server, on_every_server};

use crate::callers::{SOON, TTL, connect, loss_of, staying, until, until_renewed};
use crate::session::{acquire, fence, kinds_of_all, look, open, release};

/// Keeps the server busy with a script until it is killed.
fn loop_forever(server: &Server) -> thread::JoinHandle<()> {
    let client = redis::Client::open(server.url()).expect("a URL of the harness");
    thread::spawn(move || {
        let mut connection = client.get_connection().expect("the server is there");
        let looped = redis::cmd("EVAL").arg("while true do end").arg(0).query::<()>(&mut connection);
        assert!(looped.is_err(), "it ends by being killed");
    })
}

on_every_server! {
    async fn a_busy_server_is_unready(server: Server) {
        let session = open(&server.url()).await;
        server.command(&["CONFIG", "SET", "lua-time-limit", "1"]);
        let looping = loop_forever(&server);
        // Nothing announces that a script runs too long, other than the answers.
        let refused = async {
            while acquire(&session, "a", 1).await.is_ok() {
                release(&session, "a", 1).await.ok();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refused).await.expect("the server becomes busy");
        assert_eq!(kinds_of_all(&session).await, [Unready; 4]);
        server.command(&["SCRIPT", "KILL"]);
        looping.join().expect("no panic");
        assert!(session.is_open());
        fence(look(&session, "b", 1).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_runs_too_long_costs_nothing_if_it_ends_in_time_and_else_the_lock() {
    let server = Server::redis();
    server.command(&["CONFIG", "SET", "lua-time-limit", "1"]);
    let client = connect(&server.url()).await;
    let guard = client.lock("busy").ttl(TTL * 2).acquire().await.expect("it is free");
    let looping = loop_forever(&server);
    until("refused", || client.stats().renew_failed > 0).await;
    server.command(&["SCRIPT", "KILL"]);
    until_renewed(&guard).await;
    looping.join().expect("no panic");

    let (visit, run) = staying(&client, "too busy", TTL).await;
    let entered = Instant::now();
    let looping = loop_forever(&server);
    assert_eq!(loss_of(run).await, LossReason::Expired);
    assert!(visit.left_at() < entered + TTL, "{:?}", visit.left_at() - entered);
    server.command(&["SCRIPT", "KILL"]);
    looping.join().expect("no panic");
    drop(client.lock("too busy").wait(SOON).acquire().await.expect("the server is at rest"));
}
