//! Ten thousand locks in one process.

use std::time::{Duration, Instant};

use futures::stream::{StreamExt as _, iter};
use lock_runtime::{LockError, LockGuard};
use lock_tests::Server;

use crate::{connect, until};

const LOCKS: usize = 10_000;
const TTL: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_locks_are_renewed_in_batches_and_none_is_lost() {
    let server = Server::redis();
    let (client, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let acquires = (0..LOCKS).map(|n| client.lock(format!("many:{n}")).ttl(TTL).acquire());
    let guards: Vec<_> = iter(acquires).buffer_unordered(200).collect().await;
    let guards: Vec<_> = guards.into_iter().map(|guard| guard.expect("it is free")).collect();
    server.reset_commandstats();
    let ends = |guard: &LockGuard| Instant::now() + guard.remaining();
    let before: Vec<Instant> = guards.iter().map(ends).collect();
    let is_renewed = |(guard, before): (&LockGuard, &Instant)| ends(guard) > *before + TTL / 10;
    until("renewed", || guards.iter().zip(&before).all(is_renewed)).await;
    let stats = server.commandstats();
    let (renewed, calls) = (stats["pexpire"], stats["evalsha"]);
    assert!(renewed >= LOCKS as u64, "{renewed}");
    assert!(calls < renewed / 10, "{calls} calls for {renewed} renewals");
    let refused = other.lock("many:4711").acquire().await;
    assert!(matches!(refused, Err(LockError::Busy { .. })), "{refused:?}");
    assert_eq!((client.stats().lost, client.stats().held), (0, LOCKS as u64));
    drop(guards);
    until("released", || server.keys().len() == 1).await;
}
