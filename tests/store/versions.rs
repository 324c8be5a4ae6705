//! Entries of other releases in the queue of a fleet that is being upgraded: what a server does with them.

use std::time::Duration;

use lock_runtime::store::{Acquired, Released, Rotated};
use lock_tests::Server;

use crate::waiters::{entry, heard, listen, queue, rotate, written};
use crate::{acquire, fence, look, release};

const QUEUE: &str = "dlock:{a}:queue";

/// Such entries: of later versions and kinds, and of the former format, which had none; the last is longer than any of
/// ours.
fn of_others() -> Vec<String> {
    let (token, listener) = (written(7), written(9));
    vec![
        format!("2|{token}|{listener}|1000|1"),
        format!("{token}|{listener}|1000|1"),
        format!("1|{token}|{listener}|1000|1|p0"),
        format!("1|{token}|{listener}|1000|1|p5x"),
        format!("1|{token}|{listener}|1000|1|p4294967296"),
        format!("1|{token}|{listener}|0|99999|lease2"),
        format!("9999|{}", "anything ".repeat(100)),
    ]
}

fn members(server: &Server) -> Vec<String> {
    server.ask(&["ZRANGE", QUEUE, "0", "-1", "WITHSCORES"])
}

lock_tests::on_every_server! {
    async fn entries_of_other_releases_stay_where_they_are(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        for other in of_others() {
            fence(acquire(&session, "a", 1).await);
            server.command(&["ZADD", QUEUE, "17", &other]);
            server.command(&["PEXPIRE", QUEUE, "5000000"]);
            let before = members(&server);
            queue(&session, "a", 2, &entry(9)).await.expect("a look");
            release(&session, "a", 1).await.expect("a release");
            assert_eq!(heard(&mut grants).await.token.bits(), 2);
            assert_eq!(members(&server), before);
            // Nobody else waits, and the queue is gone for a moment while it is looked through.
            assert_eq!(release(&session, "a", 2).await.expect("a release"), Released::Freed);
            assert_eq!((server.get("dlock:{a}"), members(&server)), (None, before.clone()));
            fence(look(&session, "a", 3).await);
            assert_eq!(rotate(&session, "a", [3, 4], &entry(9)).await.expect("a rotation"), Rotated::Freed);
            assert_eq!((server.get("dlock:{a}"), members(&server)), (None, before));
            assert!((4_900_000..=5_000_000).contains(&server.pttl(QUEUE)), "{}", server.pttl(QUEUE));
            server.del(QUEUE);
        }
    }

    async fn so_do_the_marks_of_those_who_poll(server: Server) {
        let (session, _grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        let polls = entry(8).with_version(2).with_alive_for(Some(Duration::from_secs(60)));
        queue(&session, "a", 2, &polls).await.expect("a look");
        let before = members(&server);
        assert_eq!(before.len(), 4, "an entry and a mark: {before:?}");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!((server.get("dlock:{a}"), members(&server)), (None, before));
        assert!(matches!(queue(&session, "a", 2, &polls).await, Ok(Acquired::Granted { .. })));
        assert_eq!(members(&server), Vec::<String>::new());
        release(&session, "a", 2).await.expect("a release");
    }
}
