//! A server with a replica: which of what a script does reaches it.

use std::time::Duration;

use futures::StreamExt as _;
use lock_runtime::redis::redis;
use lock_runtime::store::{Released, Rotated};
use lock_tests::{Pair, Server};

use crate::rights::{RIGHTS, allow};
use crate::waiters::{entry, heard, listen, queue, rotate, written};
use crate::{acquire, fence, open, release};

/// Returns when the replica has what the primary has. Both count the bytes of what is replicated.
async fn until_alike(pair: &Pair) {
    let offset = |server: &Server, name: &str| {
        let info: String = server.ask(&["INFO", "replication"]);
        info.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok()).expect("a number of bytes")
    };
    let alike = async {
        let written = offset(pair.primary(), "master_repl_offset:");
        while offset(pair.replica(), "slave_repl_offset:") < written {
            // Nothing announces what a replica has read.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), alike).await.expect("a replica that follows");
    assert_eq!(pair.replica().keys(), pair.primary().keys());
    for key in pair.primary().keys().iter().filter(|key| !key.ends_with(":queue")) {
        assert_eq!(pair.replica().get(key), pair.primary().get(key), "{key}");
    }
}

lock_tests::on_every_server! {
    async fn a_grant_is_told_where_it_was_made_and_not_to_those_who_listen_at_a_replica(server: Server) {
        let pair = Pair::of(server);
        let channel = format!("dlock:wake:{}", written(9));
        let at_replica = redis::Client::open(pair.replica().url()).expect("a URL of the harness");
        let mut at_replica = at_replica.get_async_pubsub().await.expect("the replica is there");
        at_replica.subscribe(&channel).await.expect("anybody may");
        let (session, mut grants) = listen(&pair.primary().url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        queue(&session, "a", 2, &entry(9)).await.expect("a look");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!(heard(&mut grants).await.token.bits(), 2);
        // It comes behind whatever was replicated before.
        pair.primary().command(&["PUBLISH", &channel, "replicated"]);
        let message = tokio::time::timeout(Duration::from_secs(10), at_replica.on_message().next()).await;
        let payload: String = message.expect("in time").expect("a message").get_payload().expect("a text");
        assert_eq!(payload, "replicated");
    }

    async fn what_is_written_behind_a_message_is_replicated(server: Server) {
        let pair = Pair::of(server);
        let (session, mut grants) = listen(&pair.primary().url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        // The message to the first is heard by nobody, and the second is granted after it.
        queue(&session, "a", 2, &entry(8)).await.expect("a look");
        queue(&session, "a", 3, &entry(9)).await.expect("a look");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!(heard(&mut grants).await.token.bits(), 3);
        until_alike(&pair).await;
        assert_eq!(pair.replica().get("dlock:{a}"), Some(written(3)));
        // A rotation writes its entry behind the message.
        queue(&session, "a", 4, &entry(9)).await.expect("a look");
        assert!(matches!(rotate(&session, "a", [3, 5], &entry(9)).await, Ok(Rotated::HandedOver { .. })));
        until_alike(&pair).await;
        assert_eq!(pair.replica().get("dlock:{a}"), Some(written(4)));
        assert_eq!(pair.replica().ask::<u64>(&["ZCARD", "dlock:{a}:queue"]), 1);
        for token in [4, 5] {
            release(&session, "a", token).await.expect("a release");
        }
        until_alike(&pair).await;
        assert_eq!(pair.replica().keys(), ["dlock:fence"]);
    }

    async fn what_is_written_behind_a_message_that_was_refused_is_replicated(server: Server) {
        let pair = Pair::of(server);
        let (told, _grants) = listen(&pair.primary().url(), 9).await;
        let session = open(&allow(pair.primary(), &RIGHTS, &["resetchannels"])).await;
        fence(acquire(&session, "a", 1).await);
        queue(&told, "a", 2, &entry(9)).await.expect("a look");
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
        until_alike(&pair).await;
        assert_eq!(pair.replica().keys(), ["dlock:fence"]);
    }
}
