//! What whoever is refused is told of the holder: for how long the key is held at most, and how long the call waited.

use std::time::Duration;

use lock_runtime::{Client, LockError};
use lock_tests::on_every_store;

use crate::{TTL, connect};

/// How a busy key refuses a call that waits for so long.
async fn refusal(client: &Client, wait: Duration) -> (Duration, Option<Duration>, String) {
    match client.lock("job").wait(wait).acquire().await {
        Err(error @ LockError::Busy { waited, free_in, .. }) => (waited, free_in, error.to_string()),
        other => panic!("{other:?}"),
    }
}

/// What a holder of a renewed ttl leaves at most, and as a test that is stalled may still find it.
fn is_of_the_holder(free_in: Option<Duration>) -> bool {
    free_in.is_some_and(|left| left <= TTL && left > TTL / 2)
}

on_every_store! {
    async fn whoever_does_not_wait_learns_for_how_long_another_process_holds(url: String) {
        let (holder, stranger) = (connect(&url).await, connect(&url).await);
        let _held = holder.lock("job").ttl(TTL).acquire().await.expect("free");
        let (waited, free_in, text) = refusal(&stranger, Duration::ZERO).await;
        assert!(is_of_the_holder(free_in), "{free_in:?}");
        assert_eq!(waited, Duration::ZERO);
        assert!(text.contains(" (free in at most ") && text.ends_with("s unless renewed)"), "{text}");
        assert!(!text.contains("waited"), "{text}");
    }

    async fn whoever_waited_learns_it_too(url: String) {
        let (holder, stranger) = (connect(&url).await, connect(&url).await);
        let _held = holder.lock("job").ttl(TTL).acquire().await.expect("free");
        let (waited, free_in, text) = refusal(&stranger, Duration::from_millis(300)).await;
        assert!(is_of_the_holder(free_in), "{free_in:?}");
        assert!(waited >= Duration::from_millis(300) && text.contains("(waited 3"), "{waited:?}: {text}");
    }

    async fn whoever_is_refused_by_a_neighbour_learns_its_rest(url: String) {
        let client = connect(&url).await;
        let _held = client.lock("job").ttl(TTL).acquire().await.expect("free");
        for wait in [Duration::ZERO, Duration::from_millis(50)] {
            let (_, free_in, _) = refusal(&client, wait).await;
            assert!(is_of_the_holder(free_in), "{free_in:?} after {wait:?}");
        }
    }

    async fn what_a_crashed_holder_leaves_is_free_by_then(url: String) {
        let (holder, stranger) = (connect(&url).await, connect(&url).await);
        let ttl = Duration::from_millis(1200);
        let held = holder.lock("job").ttl(ttl).renew(false).acquire().await.expect("free");
        // Nobody renews or releases it any more.
        std::mem::forget(held);
        let (_, free_in, _) = refusal(&stranger, Duration::ZERO).await;
        let free_in = free_in.expect("it has a ttl");
        assert!(free_in <= ttl);
        // Only the store's clock ends it.
        tokio::time::sleep(free_in).await;
        let taken = stranger.lock("job").wait(Duration::from_millis(500)).acquire().await;
        assert!(taken.is_ok(), "it has expired: {taken:?}");
    }
}
