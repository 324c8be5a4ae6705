//! What several files here do to a client: warm it up before a fault, and plant a fault again and again under a lease.

use std::time::Duration;

use lock_runtime::Client;
use lock_tests::Server;

use crate::callers::{SOON, name};

/// The ttl of a lease that has to survive.
const TTL: Duration = Duration::from_secs(2);
/// How much longer something that takes milliseconds may take on a machine that is busy with other tests.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

/// So that the runtime has a connection of its own: a first acquire may go by the keeper's.
pub(crate) async fn warm(client: &Client) {
    for _ in 0..20 {
        client.lock("warm").run(async {}).await.expect("it is free");
    }
}

/// How many tasks there are on the runtime of the test.
pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Holds a lock for two ttl while the fault happens again and again; the lease must survive it, and be freed after it.
pub(crate) async fn survives(server: &Server, client: &Client, fault: impl Fn()) {
    let guard = client.lock("survivor").ttl(TTL).acquire().await.expect("it is free");
    for _ in 0..8 {
        fault();
        // The time between two faults, by the clock: renewals go on in it, and none of them is waited for.
        tokio::time::sleep(TTL / 4).await;
        assert!(guard.is_held());
    }
    drop(guard);
    server.until_gone(&name("survivor"), SOON).await;
    assert_eq!(client.stats().lost, 0);
}

/// Kills all connections; those over which a server tells of grants are of a type of their own.
pub(crate) fn kill_all(server: &Server) {
    for kind in ["normal", "pubsub"] {
        server.command(&["CLIENT", "KILL", "TYPE", kind]);
    }
}
