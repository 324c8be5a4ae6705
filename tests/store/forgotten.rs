//! A server that forgets its scripts between two operations of one token: what is sent a second time comes behind what
//! was sent in the meantime, and must do nothing there.
//!
//! Each operation is polled once, which sends it, before the reply to any of them is read: on a runtime with one
//! thread, where nothing can be answered while an operation is being polled.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lock_runtime::store::{
    Acquired, Enqueue, Look, Release, Released, Renewal, Renewed, Rotate, Session, StoreErrorKind, StoreFuture, Token,
};
use lock_tests::Server;

use crate::waiters::{entry, heard, leave, listen, queue, rotate};
use crate::{TTL, acquire, ask, fence, kind, look, release, renew};

const QUEUE: &str = "dlock:{a}:queue";

/// Polls an operation once, so that it is on its way.
async fn send<T>(mut operation: StoreFuture<T>) -> StoreFuture<T> {
    let polled = std::future::poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "nothing is answered before it was sent");
    operation
}

/// A session over which each script was called once, so that it calls them by hash, and what it hears.
async fn session(
    server: &Server,
) -> (Arc<dyn Session>, tokio::sync::mpsc::UnboundedReceiver<lock_runtime::store::Grant>) {
    let (session, mut grants) = listen(&server.url(), 9).await;
    fence(acquire(&session, "a", 901).await);
    renew(&session, "a", 901).await.expect("a renewal");
    look(&session, "a", 902).await.expect("a look");
    queue(&session, "a", 903, &entry(9)).await.expect("a look");
    rotate(&session, "a", [901, 904], &entry(9)).await.expect("a rotation");
    heard(&mut grants).await;
    leave(&session, "a", 904, &entry(9)).await.expect("a release");
    release(&session, "a", 903).await.expect("a release");
    // The counter is gone for the repair of this fence, and back by it.
    server.del("dlock:fence");
    fence(acquire(&session, "a", 905).await);
    release(&session, "a", 905).await.expect("a release");
    assert_eq!(server.keys(), ["dlock:fence"]);
    (session, grants)
}

fn looking(session: &Arc<dyn Session>, waits: bool) -> StoreFuture<Result<Acquired, lock_runtime::store::StoreError>> {
    let (key, token) = ("a", Token::from_bits(1));
    if waits {
        session.enqueue(Enqueue::new(key, token, TTL, entry(9)).with_fences(1))
    } else {
        session.look(Look::new(key, token, TTL))
    }
}

fn releasing(
    session: &Arc<dyn Session>,
    token: u128,
    keep: Option<Duration>,
    leaves: bool,
) -> StoreFuture<Result<Released, lock_runtime::store::StoreError>> {
    let (key, token, leave) = ("a", Token::from_bits(token), leaves.then(|| entry(9)));
    session.release(Release::new(key, token).with_keep(keep).with_leave(leave))
}

/// Runs a test by itself, with its connections.
fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test);
    });
}

lock_tests::on_every_server! {
    async fn a_look_takes_no_free_key_behind_its_release(server: Server) {
        on_one_thread(async move {
            let (session, _grants) = session(&server).await;
            for waits in [false, true] {
                server.command(&["SCRIPT", "FLUSH"]);
                let looking = send(looking(&session, waits)).await;
                let releasing = send(releasing(&session, 1, None, waits)).await;
                assert_eq!(kind(looking.await), StoreErrorKind::NotExecuted);
                assert_eq!(releasing.await.expect("a release"), Released::NotOurs);
                assert_eq!(server.keys(), ["dlock:fence"], "nobody holds and nobody queues");
                // Asked again it brings its text along, and is carried out.
                fence(look(&session, "a", 2).await);
                release(&session, "a", 2).await.expect("a release");
            }
            assert!(session.is_open());
        });
    }

    async fn a_look_queues_nobody_behind_its_release(server: Server) {
        on_one_thread(async move {
            let (session, _grants) = session(&server).await;
            fence(acquire(&session, "a", 7).await);
            server.command(&["SCRIPT", "FLUSH"]);
            let looking = send(looking(&session, true)).await;
            let releasing = send(releasing(&session, 1, None, true)).await;
            assert_eq!(kind(looking.await), StoreErrorKind::NotExecuted);
            assert_eq!(releasing.await.expect("a release"), Released::NotOurs);
            assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"], "nobody queues");
        });
    }

    async fn a_rotation_queues_nobody_behind_the_release_of_who_comes_next(server: Server) {
        on_one_thread(async move {
            let (session, mut grants) = session(&server).await;
            fence(acquire(&session, "a", 1).await);
            queue(&session, "a", 2, &entry(9)).await.expect("a look");
            server.command(&["SCRIPT", "FLUSH"]);
            let (key, token, next) = ("a", Token::from_bits(1), Token::from_bits(3));
            let turning = send(session.rotate(Rotate::new(key, token, TTL, next, entry(9)).with_fences(1))).await;
            let leaving = send(releasing(&session, 3, None, true)).await;
            assert_eq!(kind(turning.await), StoreErrorKind::NotExecuted);
            assert_eq!(leaving.await.expect("a release"), Released::NotOurs);
            assert_eq!(server.ask::<u32>(&["ZCARD", QUEUE]), 1, "nobody but who came before");
            release(&session, "a", 1).await.expect("a release");
            assert_eq!(heard(&mut grants).await.token.bits(), 2);
        });
    }

    async fn a_renewal_lengthens_nothing_behind_a_release_that_keeps(server: Server) {
        on_one_thread(async move {
            let (session, _grants) = session(&server).await;
            fence(acquire(&session, "a", 1).await);
            server.command(&["SCRIPT", "FLUSH"]);
            let renewal = Renewal::new("a", Token::from_bits(1), 10 * TTL);
            let renewing = send(session.renew(vec![renewal])).await;
            let keeping = send(releasing(&session, 1, Some(TTL), false)).await;
            // The release is sent again first, by its text.
            assert_eq!(keeping.await.expect("a release"), Released::Freed);
            assert_eq!(renewing.await.remove(0).expect("a renewal"), Renewed::NotOurs);
            assert!((25_000..=30_000).contains(&server.pttl("dlock:{a}")));
        });
    }

    async fn a_release_frees_nothing_behind_one_that_keeps(server: Server) {
        on_one_thread(async move {
            let (session, _grants) = session(&server).await;
            fence(acquire(&session, "a", 1).await);
            server.command(&["SCRIPT", "FLUSH"]);
            let freeing = send(releasing(&session, 1, None, false)).await;
            let keeping = send(releasing(&session, 1, Some(TTL), false)).await;
            assert_eq!(keeping.await.expect("a release"), Released::Freed);
            assert_eq!(freeing.await.expect("a release"), Released::NotOurs);
            assert!((25_000..=30_000).contains(&server.pttl("dlock:{a}")));
        });
    }

    async fn a_fence_is_repaired_for_nobody_behind_a_release(server: Server) {
        on_one_thread(async move {
            let (session, _grants) = session(&server).await;
            server.del("dlock:fence");
            server.command(&["SCRIPT", "FLUSH"]);
            let acquiring = send(session.acquire(ask("a", 1))).await;
            let releasing = send(releasing(&session, 1, None, false)).await;
            assert_eq!(releasing.await.expect("a release"), Released::Freed);
            assert_eq!(acquiring.await.expect("an answer"), Acquired::held(None));
            assert_eq!(server.keys(), ["dlock:fence"]);
        });
    }
}
