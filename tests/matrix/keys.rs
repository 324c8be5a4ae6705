//! Keys and counters that somebody else wrote, removed or evicted.

use std::error::Error as _;
use std::time::Duration;

use lock_runtime::{Client, LockError, LossReason, Released};
use lock_tests::{Server, on_every_server};

use crate::{SOON, TTL, connect, loss_of, name, staying};

/// What one is told who waits for ever for a key that is no lock of ours.
async fn refusal(client: &Client, key: &str) -> String {
    let waiting = client.lock(key).wait_forever().run(async { panic!("it is no lock of ours") });
    match tokio::time::timeout(SOON, waiting).await.expect("it is not waited for") {
        Err(error @ LockError::Unavailable { .. }) => error.source().expect("it says why").to_string(),
        other => panic!("{other:?}"),
    }
}

on_every_server! {
    async fn a_key_without_a_ttl_is_told_of_and_not_waited_for(server: Server) {
        let client = connect(&server.url()).await;
        server.command(&["SET", &name("foreign"), "x"]);
        let refusal = refusal(&client, "foreign").await;
        assert!(refusal.contains(&name("foreign")) && refusal.contains("without a ttl"), "{refusal}");
        assert_eq!((server.get(&name("foreign")).as_deref(), server.pttl(&name("foreign"))), (Some("x"), -1));
    }

    async fn a_key_of_another_type_is_told_of_and_not_waited_for(server: Server) {
        let client = connect(&server.url()).await;
        server.command(&["RPUSH", &name("foreign"), "a"]);
        let refusal = refusal(&client, "foreign").await;
        assert!(refusal.contains(&name("foreign")) && refusal.contains("is not a lock"), "{refusal}");
        assert_eq!(server.ask::<i64>(&["LLEN", &name("foreign")]), 1);
    }

    async fn a_counter_that_is_gone_grows_on_and_one_that_is_nonsense_grants_nothing(server: Server) {
        let client = connect(&server.url()).await;
        let fence = || client.lock("counted").run(async { crate::lease().fence() });
        let before = fence().await.expect("it is free");
        assert!(server.del("dlock:fence"));
        let after = fence().await.expect("it is free");
        assert!(after > before, "{after} after {before}");
        for nonsense in ["abc", "9007199254740993"] {
            server.command(&["SET", "dlock:fence", nonsense]);
            let refused = client.lock("counted").run(async { panic!("there is no fence for it") }).await;
            let Err(error @ LockError::Unavailable { .. }) = refused else { panic!("{nonsense}: {refused:?}") };
            let source = error.source().expect("it says why").to_string();
            assert!(source.contains("`dlock:fence`"), "{source}");
            server.until_gone(&name("counted"), SOON).await;
        }
    }

    async fn an_evicted_lock_is_lost_at_its_next_renewal(server: Server) {
        let client = connect(&server.url()).await;
        let (_, run) = staying(&client, "evicted", TTL * 2).await;
        server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        server.until_gone(&name("evicted"), SOON).await;
        assert_eq!(loss_of(run).await, LossReason::Stolen);
    }

    async fn a_server_clock_that_jumps_lets_another_in_with_a_greater_fence_and_tells_the_first(server: Server) {
        let (client, other) = (connect(&server.url()).await, connect(&server.url()).await);
        let (_, run) = staying(&client, "jumped", TTL * 2).await;
        let fence = server.ask::<u64>(&["GET", "dlock:fence"]);
        // What such a jump does to the key.
        server.command(&["PEXPIRE", &name("jumped"), "1"]);
        server.until_gone(&name("jumped"), SOON).await;
        let next = other.lock("jumped").acquire().await.expect("it is free, as far as the server knows");
        assert!(next.fence() > fence);
        assert_eq!(loss_of(run).await, LossReason::Stolen);
        client.shutdown(Duration::ZERO).await;
        assert_eq!(next.release().await.expect("the server is there"), Released::Freed);
    }
}
