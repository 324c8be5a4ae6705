//! The first calls of a script over a connection: its text is on its way to the server, and nobody else brings it
//! along.

use std::task::Poll;

use lock_runtime::store::{Acquired, Enqueue, Look, StoreFuture, Token};
use lock_tests::Server;

use crate::waiters::{entry, listen};
use crate::{TTL, acquire, fence};

/// How many call before the first is answered.
const CALLS: u128 = 200;

/// Runs it on a thread of its own, where nothing is sent or answered while a future is polled.
async fn on_one_thread<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    let thread = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(body());
    });
    thread.await.expect("no panic");
}

lock_tests::on_every_server! {
    async fn whoever_looks_behind_the_first_look_sends_no_text(server: Server) {
        on_one_thread(async move || {
            let (session, _grants) = listen(&server.url(), 9).await;
            fence(acquire(&session, "a", 1).await);
            server.reset_commandstats();
            let look = |n| Enqueue::new("a", Token::from_bits(n + 2), TTL, entry(9)).with_fences(1);
            let mut looks: Vec<StoreFuture<_>> = (0..CALLS).map(|n| session.enqueue(look(n))).collect();
            std::future::poll_fn(|context| {
                // That sends it, or puts it in line to be sent.
                for look in &mut looks {
                    assert!(look.as_mut().poll(context).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            for look in looks {
                assert!(matches!(look.await, Ok(Acquired::Held { queued_at: Some(_), .. })));
            }
            let calls = server.commandstats();
            assert_eq!((calls.get("eval"), calls.get("evalsha")), (Some(&1), Some(&199)), "{calls:?}");
        })
        .await;
    }

    async fn a_first_look_that_is_dropped_leaves_its_text_to_the_next(server: Server) {
        on_one_thread(async move || {
            let (session, _grants) = listen(&server.url(), 9).await;
            let look = |n| Look::new("a", Token::from_bits(n), TTL);
            let mut dropped = session.look(look(1));
            std::future::poll_fn(|context| {
                assert!(dropped.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(dropped);
            server.command(&["SCRIPT", "FLUSH"]);
            assert!(session.look(look(2)).await.is_ok(), "it brings the text along, be it known or not");
        })
        .await;
    }
}
