//! Fences grow whatever happens to the counter, or no fence is given.

use std::task::Poll;
use std::time::Duration;

use lock_runtime::redis::redis_error;
use lock_runtime::store::{Acquired, Ask, Released, Store as _, StoreErrorKind, Token};
use lock_tests::Server;

use crate::{acquire, fence, kind, look, open, release};

/// A fence that a client may remember, though no server has counted so far: what it remembers of later is not believed.
pub(crate) fn in_half_a_year(server: &Server) -> u64 {
    clock(server) + 182 * 24 * 3600 * 1_000_000
}

/// A server's clock in microseconds.
pub(crate) fn clock(server: &Server) -> u64 {
    let [seconds, micros]: [u64; 2] = server.ask(&["TIME"]);
    seconds * 1_000_000 + micros
}

lock_tests::on_every_server! {
    async fn fences_grow_over_a_flush(server: Server) {
        let session = open(&server.url()).await;
        let before = fence(acquire(&session, "a", 1).await);
        server.flushall();
        let after = fence(acquire(&session, "a", 2).await);
        assert!(after > before, "{after} after {before}");
        server.flushall();
        assert!(fence(look(&session, "a", 3).await) > after);
    }

    async fn fences_grow_for_whoever_comes_after_a_flush(server: Server) {
        let before = fence(acquire(&open(&server.url()).await, "a", 1).await);
        server.flushall();
        let after = fence(acquire(&open(&server.url()).await, "a", 2).await);
        assert!(after > before, "{after} after {before}");
    }

    async fn fences_grow_over_a_restart(mut server: Server) {
        let before = fence(acquire(&open(&server.url()).await, "a", 1).await);
        server.restart();
        let after = fence(acquire(&open(&server.url()).await, "a", 2).await);
        assert!(after > before, "{after} after {before}");
    }

    async fn fences_grow_when_the_counter_is_set_back(server: Server) {
        let session = open(&server.url()).await;
        let mut last = fence(acquire(&session, "a", 1).await);
        for back in ["0", "17", "1600000000000001", "007", ""] {
            release(&session, "a", 1).await.expect("a release");
            match back {
                "" => assert!(server.del("dlock:fence")),
                back => drop(server.command(&["SET", "dlock:fence", back])),
            }
            let next = fence(acquire(&session, "a", 1).await);
            assert!(next > last, "{next} after {last}, set back to {back:?}");
            last = next;
        }
    }

    async fn a_counter_ahead_of_the_clock_is_never_lowered(server: Server) {
        let ahead = in_half_a_year(&server);
        server.command(&["SET", "dlock:fence", &ahead.to_string()]);
        assert_eq!(fence(look(&open(&server.url()).await, "a", 1).await), ahead + 1);
        let session = open(&server.url()).await;
        assert_eq!(fence(acquire(&session, "b", 1).await), ahead + 2);
        assert_eq!(fence(look(&session, "b", 1).await), ahead + 3);
        // What the server forgot and its clock does not know, the client remembers.
        server.del("dlock:fence");
        assert_eq!(fence(acquire(&session, "c", 1).await), ahead + 4);
        server.del("dlock:fence");
        assert_eq!(fence(look(&session, "c", 1).await), ahead + 5);
    }

    async fn a_counter_that_is_no_number_is_named_and_leaves_no_lock(server: Server) {
        let session = open(&server.url()).await;
        for nonsense in ["abc", "-5", "1.5", "0x10", "1e15", "9007199254740993", "9223372036854775807", "99999999999999999999"] {
            server.command(&["SET", "dlock:fence", nonsense]);
            for error in [acquire(&session, "a", 1).await, look(&session, "a", 1).await] {
                let error = error.expect_err("a fence out of nonsense");
                assert_eq!(error.kind(), StoreErrorKind::Refused, "{nonsense}");
                assert!(error.to_string().contains("`dlock:fence`") && error.to_string().contains("delete it"), "{error}");
                assert!(redis_error(&error).is_some());
                assert_eq!(server.get("dlock:{a}"), None, "{nonsense}");
            }
            assert_eq!(kind(crate::store(&server.url()).open().await), StoreErrorKind::Refused, "{nonsense}");
        }
        assert!(session.is_open());
        server.del("dlock:fence");
        fence(acquire(&session, "a", 1).await);
    }

    async fn a_counter_of_another_type_is_named(server: Server) {
        server.command(&["RPUSH", "dlock:fence", "1"]);
        let error = crate::store(&server.url()).open().await.expect_err("a counter that is a list");
        assert!(error.to_string().contains("`dlock:fence`"), "{error}");
    }

    async fn a_broken_counter_does_not_hinder_a_release(server: Server) {
        let session = open(&server.url()).await;
        fence(acquire(&session, "a", 1).await);
        server.command(&["SET", "dlock:fence", "abc"]);
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
    }
}

/// On a runtime with one thread, where the replies cannot come while the operation is still being polled.
#[tokio::test]
async fn a_grant_that_expires_before_its_fence_is_repaired_is_none() {
    let server = Server::redis();
    let session = open(&server.url()).await;
    server.del("dlock:fence");
    let mut acquire = session.acquire(Ask::new("a", Token::from_bits(1), Duration::from_millis(1)));
    let sent = std::future::poll_fn(|context| Poll::Ready(acquire.as_mut().poll(context))).await;
    assert!(sent.is_pending());
    // The replies come, and then the key expires; only the poll after that can send the repair. So nothing may ask the
    // future whether they have come, and nobody else knows.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(acquire.await.expect("an answer"), Acquired::held(None));
    assert_eq!(server.get("dlock:{a}"), None);
}
