//! Messages that no server sent: whoever may publish can write all of one, but for the token that somebody waits under.
//!
//! Over both ways in which a client hears: pushes, and a second connection.

use std::sync::Arc;
use std::time::Duration;

use lock_runtime::Client;
use lock_runtime::store::{Acquired, Listener, ListenerId, Session, Store as _};
use lock_tests::Server;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::counter::clock;
use crate::listening::resp2;
use crate::waiters::{entry, queue, written};
use crate::{TTL, acquire, fence, look, release, store};

/// From here on a fence is none.
const LIMIT: u64 = 9_007_190_000_000_000;

/// Longer than a test takes, in microseconds.
const SOON: u64 = 600_000_000;

/// Publishes that a token was handed a key; somebody hears it.
fn publish(server: &Server, channel: &str, token: u128, fence: u64, key: &str) {
    let message = format!("{} {fence} 1 1000 {} dlock:{{{key}}}", written(token), clock(server));
    assert_eq!(server.ask::<u64>(&["PUBLISH", channel, &message]), 1);
}

/// A session whose listener waits for all that it hears, or for nothing, and says when it heard.
async fn listening(url: &str, name: u128, waits: bool) -> (Arc<dyn Session>, UnboundedReceiver<u64>) {
    let (sender, receiver) = unbounded_channel();
    let listener = Listener::new(ListenerId::from_bits(name), move |grant| sender.send(grant.fence).is_ok() && waits);
    (store(url).listen(listener).await.expect("a session can be opened"), receiver)
}

/// The next fence that is heard of.
async fn fence_heard(heard: &mut UnboundedReceiver<u64>) -> u64 {
    tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("a message in time").expect("a session")
}

/// Makes a session that waits for all that it hears remember a fence.
async fn believe(server: &Server, name: u128, fence: u64, heard: &mut UnboundedReceiver<u64>) {
    // What is heard is remembered a moment later, but before the next is heard.
    for _ in 0..2 {
        publish(server, &format!("dlock:wake:{}", written(name)), 7, fence, "a");
        assert_eq!(fence_heard(heard).await, fence);
    }
}

/// The counter of fences is about where the server's clock is.
#[track_caller]
fn assert_counts_by_the_clock(server: &Server) {
    let count: u64 = server.get("dlock:fence").expect("a counter").parse().expect("a number");
    assert!(count < clock(server) + SOON, "{count}");
}

lock_tests::on_every_server! {
    async fn a_fence_counts_only_if_somebody_waited_for_its_token(server: Server) {
        for (url, name) in [(server.url(), 9), (resp2(&server), 8)] {
            let (session, mut heard) = listening(&url, name, false).await;
            let channel = format!("dlock:wake:{}", written(name));
            for forged in [LIMIT - 1, crate::counter::in_half_a_year(&server)] {
                publish(&server, &channel, 7, forged, "a");
                assert_eq!(fence_heard(&mut heard).await, forged);
                fence(look(&session, "a", 1).await);
                release(&session, "a", 1).await.expect("a release");
                assert_counts_by_the_clock(&server);
            }
        }
    }

    async fn a_number_that_no_server_says_is_not_even_heard(server: Server) {
        for (url, name) in [(server.url(), 9), (resp2(&server), 8)] {
            let (session, mut heard) = listening(&url, name, true).await;
            let channel = format!("dlock:wake:{}", written(name));
            for forged in [u64::MAX, 1 << 53, LIMIT + 1, 1, 0] {
                publish(&server, &channel, 7, forged, "a");
            }
            for rest in ["1700000000000000 0 1000 1700000000000000", "1700000000000000 1025 1000 1700000000000000",
                "1700000000000000 1 0 1700000000000000", "1700000000000000 1 3153600000001 1700000000000000",
                "1700000000000000 1 1000 18446744073709551615", "1700000000000000 1 1000 0"] {
                server.command(&["PUBLISH", &channel, &format!("{} {rest} dlock:{{a}}", written(7))]);
            }
            let plausible = clock(&server);
            publish(&server, &channel, 7, plausible, "a");
            assert_eq!(fence_heard(&mut heard).await, plausible, "nothing before it");
            fence(acquire(&session, "a", 1).await);
            release(&session, "a", 1).await.expect("a release");
            assert_counts_by_the_clock(&server);
        }
    }

    async fn a_client_that_believed_a_forged_fence_cannot_spoil_the_counter(server: Server) {
        for (url, name) in [(server.url(), 9), (resp2(&server), 8)] {
            // By a look, by a rotation that goes on, and by a hand-over.
            for way in 0..3 {
                // A name of its own each time: the server may not have noticed yet that the one before is gone.
                let name = name + 10 * way;
                let (session, mut grants) = listening(&url, name, true).await;
                fence(acquire(&session, "a", 1).await);
                if way == 2 {
                    queue(&session, "a", 2, &entry(name)).await.expect("a look");
                }
                believe(&server, name, LIMIT - 1, &mut grants).await;
                match way {
                    0 => drop(fence(look(&session, "a", 1).await)),
                    1 => drop(crate::waiters::rotate(&session, "a", [1, 3], &entry(name)).await.expect("a rotation")),
                    _ => {
                        release(&session, "a", 1).await.expect("a release");
                        assert!(fence_heard(&mut grants).await < clock(&server) + SOON);
                    }
                }
                assert_counts_by_the_clock(&server);
                release(&session, "a", 1).await.expect("a release");
                release(&session, "a", 2).await.expect("a release");
            }
        }
    }

    async fn a_client_that_was_not_believed_has_its_fences_by_counting_again(server: Server) {
        let (session, mut heard) = listening(&server.url(), 9, true).await;
        believe(&server, 9, LIMIT - 1, &mut heard).await;
        // The first fence is repaired, and by that the client learns.
        fence(acquire(&session, "a", 1).await);
        release(&session, "a", 1).await.expect("a release");
        server.reset_commandstats();
        fence(acquire(&session, "a", 2).await);
        let sent = server.commandstats();
        assert!(!sent.contains_key("eval") && !sent.contains_key("evalsha"), "{sent:?}");
    }

    async fn a_grant_that_is_waited_for_is_remembered(server: Server) {
        for (url, name) in [(server.url(), 9), (resp2(&server), 8)] {
            let (session, mut heard) = listening(&url, name, true).await;
            let seen = crate::counter::in_half_a_year(&server);
            believe(&server, name, seen, &mut heard).await;
            // What the server forgot and its clock does not know, the client remembers.
            server.del("dlock:fence");
            assert_eq!(fence(acquire(&session, "a", 1).await), seen + 1);
            release(&session, "a", 1).await.expect("a release");
            server.del("dlock:fence");
        }
    }

    async fn forged_messages_cost_a_fleet_nothing(server: Server) {
        let resp2 = resp2(&server);
        let fleet = [Client::connect(&server.url()).await.expect("a client"), Client::connect(&resp2).await.expect("a client")];
        for client in &fleet {
            client.lock("b").run(async {}).await.expect("it is free");
        }
        let held = fleet[0].lock("held").ttl(TTL).acquire().await.expect("it is free");
        let channels: Vec<String> = server.ask(&["PUBSUB", "CHANNELS", "dlock:wake:*"]);
        assert!(channels.len() >= 2, "{channels:?}");
        for forged in [u64::MAX, LIMIT - 1, crate::counter::in_half_a_year(&server)] {
            for (channel, key) in channels.iter().flat_map(|channel| [(channel, "held"), (channel, "b"), (channel, "never locked")]) {
                let message = format!("{} {forged} 1 1000 {} dlock:{{{key}}}", written(7), clock(&server));
                server.command(&["PUBLISH", channel, &message]);
            }
            for _ in 0..3 {
                for client in &fleet {
                    let guard = client.lock("a").acquire().await.expect("it is free");
                    assert!(guard.fence() < clock(&server) + SOON, "{} after {forged}", guard.fence());
                    guard.release().await.expect("a release");
                    // The forged grants of this one are given back first.
                    client.lock("b").wait(Duration::from_secs(10)).run(async {}).await.expect("it is free");
                }
                server.del("dlock:fence");
            }
        }
        held.renew(2 * TTL).await.expect("it is held as before");
        assert!(matches!(look(&crate::open(&server.url()).await, "held", 1).await, Ok(Acquired::Held { .. })));
    }
}
