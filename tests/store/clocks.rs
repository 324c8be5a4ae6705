//! Which clock a reading is of: the server's, for all sessions to it, as far as it tells which process it is.

use std::sync::Arc;

use lock_runtime::store::{Acquired, ClockId, Released, Session};
use lock_tests::{Pair, Server};

use crate::listening::resp2;
use crate::rights::{CHANNELS, RIGHTS, allow};
use crate::waiters::{entry, heard, listen, queue};
use crate::{acquire, fence, release};

/// The clock that this session reads, as the reply says to one who queues.
async fn read_by(session: &Arc<dyn Session>, listener: u128) -> ClockId {
    match queue(session, "a", 0x70 + listener, &entry(listener)).await.expect("a look") {
        Acquired::Held { queued_at: Some(reading), .. } => reading.of,
        other => panic!("{other:?}"),
    }
}

/// Whether grants that are heard over a session at this URL are stamped by the clock that it reads.
async fn hears_the_clock_that_it_reads(url: &str) -> bool {
    let (session, mut grants) = listen(url, 9).await;
    fence(acquire(&session, "a", 1).await);
    let clock = read_by(&session, 9).await;
    assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
    let grant = heard(&mut grants).await;
    release(&session, "a", grant.token.bits()).await.expect("a release");
    grant.clock.of == clock
}

lock_tests::on_every_server! {
    async fn all_sessions_to_a_server_call_its_clock_by_one_name(server: Server) {
        let (one, _) = listen(&server.url(), 1).await;
        let (other, _) = listen(&resp2(&server), 2).await;
        fence(acquire(&one, "a", 1).await);
        assert_eq!(read_by(&one, 1).await, read_by(&other, 2).await);
    }

    async fn a_grant_is_of_the_clock_that_its_session_reads(server: Server) {
        assert!(hears_the_clock_that_it_reads(&server.url()).await);
        assert!(hears_the_clock_that_it_reads(&resp2(&server)).await);
        assert!(hears_the_clock_that_it_reads(&allow(&server, &RIGHTS, &CHANNELS)).await);
    }

    async fn who_may_not_ask_which_server_it_is_has_a_clock_for_each_session(server: Server) {
        server.command(&["ACL", "LOG", "RESET"]);
        let url = allow(&server, &RIGHTS, &CHANNELS);
        let ((one, _), (other, _)) = (listen(&url, 1).await, listen(&url, 2).await);
        fence(acquire(&one, "a", 1).await);
        let clock = read_by(&one, 1).await;
        assert_ne!(clock, read_by(&other, 2).await);
        assert_eq!(clock, read_by(&one, 1).await);
        let refused = format!("{:?}", server.command(&["ACL", "LOG"]));
        assert!(!refused.contains("info\")"), "it did not even ask: {refused}");
    }

    async fn a_server_that_takes_anothers_place_has_another_clock(server: Server) {
        let mut pair = Pair::of(server);
        let (before, _) = listen(&pair.primary().url(), 1).await;
        fence(acquire(&before, "a", 1).await);
        let clock = read_by(&before, 1).await;
        pair.until_linked();
        pair.fail_over();
        let (after, _) = listen(&pair.primary().url(), 1).await;
        assert_ne!(clock, read_by(&after, 1).await);
    }
}
