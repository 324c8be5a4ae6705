//! How locks end: on every way out of a body, of a runtime and of a process, and what everybody is told on the way.
//!
//! What all of it rests on: the ttl of a lock here is half a minute unless the test is about the ttl, so a key that is
//! gone within two seconds was released and did not expire. Who looks at a key is never the client that held it.

mod asking;
mod bodies;
mod deadlines;
mod destructors;
mod events;
mod executors;
mod exits;
mod failing;
mod forks;
mod gone;
mod guards;
mod joining;
mod many;
mod nesting;
mod once;
mod onlooker;
mod patience;
mod paused;
mod refused;
mod runtimes;
mod several;
mod shutdown;
mod validation;

use std::time::Duration;

use lock_runtime::{Client, Lease};
use onlooker::{Onlooker, SOON, is_busy};
use tokio::sync::oneshot;

/// The ttl of locks that are never meant to expire.
const TTL: Duration = Duration::from_secs(30);

/// A client that found its store.
async fn connect(url: &str) -> Client {
    Client::connect(url).await.expect("the store is there")
}

/// A client, and somebody who looks at the same store.
async fn connect_watched(url: &str) -> (Client, Onlooker) {
    (connect(url).await, Onlooker::at(url))
}

/// The lease under which the calling body runs.
fn lease() -> Lease {
    lock_runtime::current().expect("a body runs under a lease")
}

/// A body that says when it is inside, and stays.
fn stays() -> (oneshot::Receiver<()>, impl Future<Output = ()> + Send + 'static) {
    let (entered, inside) = oneshot::channel();
    let body = async move {
        entered.send(()).expect("the test waits for it");
        std::future::pending::<()>().await;
    };
    (inside, body)
}

/// Comes back when the client has counted so many losses; its caller hears of one a moment before it is counted.
async fn until_lost(client: &Client, losses: u64) {
    let counted = async {
        while client.stats().lost < losses {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, counted).await.expect("each loss is counted");
    assert_eq!(client.stats().lost, losses);
}

/// A runtime of the test's own.
fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime can be built")
}

/// Runs blocking code on a thread where it may block and where runtimes may be built and dropped.
async fn aside<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(code).await.expect("no panic there")
}
