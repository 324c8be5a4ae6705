//! Servers that take no more, and keys that are no locks: trouble stays where it is.

use std::time::Duration;

use lock_runtime::{LockError, Released};
use lock_tests::{Ledger, Server, on_every_server};
use tokio::task::JoinHandle;

use super::{SOON, connect, enters, name, until_in_line};

const TTL: Duration = Duration::from_secs(1);

on_every_server! {
    async fn a_full_server_frees_what_is_released_and_serves_when_there_is_room_again(server: Server) {
        let ledger = Ledger::new();
        let [holder, one, other] =
            [connect(&server.url()).await, connect(&server.url()).await, connect(&server.url()).await];
        let held = holder.lock("full").acquire().await.expect("it is free");
        let mut waiters: Vec<JoinHandle<Result<u64, LockError>>> = Vec::new();
        for (place, client) in [&one, &other].into_iter().enumerate() {
            let request = client.lock("full").wait(SOON);
            waiters.push(tokio::spawn(request.run(enters(&ledger, "full", Duration::ZERO))));
            until_in_line(&server, "full", place + 1).await;
        }
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(held.release().await.expect("it is possible on a full server"), Released::Freed);
        let full = holder.lock("another").acquire().await;
        assert!(matches!(full, Err(LockError::Unavailable { .. })), "{full:?}");
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        for waiter in waiters {
            let outcome = tokio::time::timeout(2 * SOON, waiter).await.expect("nobody hangs").expect("nobody panics");
            assert!(matches!(outcome, Ok(_) | Err(LockError::Unavailable { .. })), "{outcome:?}");
        }
        drop(holder.lock("full").wait(SOON).acquire().await.expect("there is room again"));
        ledger.check().assert_clean();
    }

    async fn a_full_server_does_not_keep_local_waiters_from_each_other(server: Server) {
        let client = connect(&server.url()).await;
        let held = client.lock("among us").acquire().await.expect("it is free");
        let heir = tokio::spawn(client.lock("among us").wait(SOON).acquire());
        super::until("it waits", || client.stats().waiting == 1).await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        held.release().await.expect("it is possible on a full server");
        // It may have come to it at once, or have to be asked for, which a full server refuses.
        let outcome = heir.await.expect("no panic");
        assert!(matches!(outcome, Ok(_) | Err(LockError::Unavailable { .. })), "{outcome:?}");
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        drop(outcome);
        drop(client.lock("among us").wait(SOON).acquire().await.expect("there is room again"));
    }

    async fn a_key_of_another_type_among_renewals_hurts_no_other_lock(server: Server) {
        let client = connect(&server.url()).await;
        let mut guards = Vec::new();
        for key in ["a", "b", "c", "d"] {
            guards.push(client.lock(key).ttl(TTL).acquire().await.expect("it is free"));
        }
        server.del(&name("b"));
        server.command(&["RPUSH", &name("b"), "a", "list"]);
        let lost = tokio::time::timeout(SOON, guards[1].lost()).await.expect("it cannot be renewed");
        let others = || [0, 2, 3].map(|other| guards[other].is_held());
        assert_eq!(others(), [true; 3], "when the other was lost: {lost:?}");
        // Another ttl, through which they have to be renewed.
        tokio::time::sleep(TTL).await;
        assert_eq!(others(), [true; 3]);
        assert_eq!(client.stats().lost, 1);
    }

    async fn a_queue_of_another_type_is_an_error_to_waiters_and_none_to_the_holder(server: Server) {
        let [holder, waiter] = [connect(&server.url()).await, connect(&server.url()).await];
        let held = holder.lock("typed").acquire().await.expect("it is free");
        server.command(&["SET", &super::queue("typed"), "no queue"]);
        let outcome = waiter.lock("typed").wait(Duration::from_secs(2)).acquire().await;
        assert!(matches!(outcome, Err(LockError::Unavailable { .. })), "{outcome:?}");
        assert_eq!(held.release().await.expect("the server is there"), Released::Freed);
        assert_eq!(server.pttl(&name("typed")), -2);
    }
}
