//! From one token to the next, whatever is wrong with the server at that moment.

use std::time::Duration;

use lock_runtime::store::{Acquired, Enqueue, Released, Rotate, Rotated, StoreErrorKind, Token};
use lock_tests::{Kind, Server};

use crate::waiters::{FIRST_LEASE, entry, heard, listen, queue, rotate, written};
use crate::{TTL, acquire, fence, kind, look, open, release};

lock_tests::on_every_server! {
    async fn the_heir_is_told_all_that_a_lease_needs(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        let before = fence(acquire(&session, "a", 1).await);
        let wants = entry(9).with_fences(32);
        let waits = queue(&session, "a", 2, &wants).await.expect("a look");
        let Acquired::Held { queued_at: Some(queued_at), .. } = waits else { panic!("{waits:?}") };
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
        let grant = heard(&mut grants).await;
        assert_eq!((grant.key.as_str(), grant.token.bits(), grant.fences), ("a", 2, 32));
        assert_eq!(grant.first_lease, FIRST_LEASE);
        assert!(grant.fence > before && grant.clock.micros > queued_at.micros);
        assert_eq!(server.get("dlock:{a}"), Some(written(2)));
        assert!((5_000..=10_000).contains(&server.pttl("dlock:{a}")));
        assert_eq!(server.get("dlock:fence"), Some((grant.fence + 31).to_string()));
    }

    async fn those_who_are_gone_are_passed_over(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        queue(&session, "a", 2, &entry(8)).await.expect("a look");
        let over = entry(8).with_alive_for(Some(Duration::ZERO));
        queue(&session, "a", 3, &over).await.expect("a look");
        queue(&session, "a", 4, &entry(9)).await.expect("a look");
        release(&session, "a", 1).await.expect("a release");
        assert_eq!(heard(&mut grants).await.token.bits(), 4);
        queue(&session, "a", 5, &entry(8)).await.expect("a look");
        release(&session, "a", 4).await.expect("a release");
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_rotation_past_those_who_are_gone_keeps_the_lease(server: Server) {
        let session = open(&server.url()).await;
        let before = fence(acquire(&session, "a", 1).await);
        queue(&session, "a", 2, &entry(8)).await.expect("a look");
        server.command(&["PEXPIRE", "dlock:{a}", "90000"]);
        let Ok(Rotated::Retained { fence, .. }) = rotate(&session, "a", [1, 3], &entry(9)).await else { panic!("nobody else waits") };
        assert!(fence > before);
        assert_eq!(server.get("dlock:{a}"), Some(written(1)));
        assert!(server.pttl("dlock:{a}") > 80_000, "never made shorter");
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
        server.command(&["PEXPIRE", "dlock:{a}", "5000"]);
        assert!(matches!(rotate(&session, "a", [1, 3], &entry(9)).await, Ok(Rotated::Retained { .. })));
        assert!(server.pttl("dlock:{a}") > 20_000);
    }

    async fn a_rotation_takes_its_place_behind_the_heir(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        for token in [2, 3] {
            queue(&session, "a", token, &entry(9)).await.expect("a look");
        }
        let Ok(Rotated::HandedOver { clock, .. }) = rotate(&session, "a", [1, 4], &entry(9)).await else { panic!("others wait") };
        assert_eq!(heard(&mut grants).await.clock, clock);
        let place = server.ask::<u64>(&["ZSCORE", "dlock:{a}:queue", &format!("1|{}|{}|10000|1|x", written(4), written(9))]);
        assert_eq!(place, clock.micros);
        assert_eq!(rotate(&session, "a", [1, 5], &entry(9)).await.expect("a rotation"), Rotated::NotOurs);
        for (token, next) in [(2, 3), (3, 4)] {
            release(&session, "a", token).await.expect("a release");
            assert_eq!(heard(&mut grants).await.token.bits(), next);
        }
        release(&session, "a", 4).await.expect("a release");
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    async fn a_full_server_frees_what_nobody_waits_for(server: Server) {
        let session = open(&server.url()).await;
        for key in ["a", "b"] {
            fence(acquire(&session, key, 1).await);
        }
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(kind(queue(&session, "a", 2, &entry(9)).await), StoreErrorKind::Unready);
        for key in ["a", "b"] {
            assert_eq!(release(&session, key, 1).await.expect("a release"), Released::Freed);
        }
        assert_eq!(server.keys(), ["dlock:fence"]);
    }

    /// Servers let a script that has deleted something write after that, so that full ones hand over.
    async fn a_full_server_frees_or_hands_over(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        for key in ["a", "b"] {
            fence(acquire(&session, key, 1).await);
            queue(&session, key, 2, &entry(9)).await.expect("a look");
        }
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
        assert!(matches!(rotate(&session, "b", [1, 3], &entry(9)).await, Ok(Rotated::HandedOver { .. })));
        for key in ["a", "b"] {
            assert_eq!(heard(&mut grants).await.key.as_str(), key);
            assert_eq!(server.get(&format!("dlock:{{{key}}}")), Some(written(2)));
        }
    }

    async fn a_broken_counter_frees_and_tells_nobody(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        for key in ["a", "b"] {
            fence(acquire(&session, key, 1).await);
            queue(&session, key, 2, &entry(9)).await.expect("a look");
        }
        for nonsense in ["abc", "9007199254740000"] {
            server.command(&["SET", "dlock:fence", nonsense]);
            assert_eq!(kind(look(&session, "a", 1).await), StoreErrorKind::Refused);
        }
        assert_eq!(release(&session, "a", 1).await.expect("a release"), Released::Freed);
        assert_eq!(rotate(&session, "b", [1, 3], &entry(9)).await.expect("a rotation"), Rotated::Freed);
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}:queue", "dlock:{b}:queue"]);
        assert_eq!(kind(queue(&session, "a", 2, &entry(9)).await), StoreErrorKind::Refused);
        assert_eq!((server.get("dlock:{a}"), grants.try_recv().is_ok()), (None, false));
        server.del("dlock:fence");
        fence(queue(&session, "a", 2, &entry(9)).await);
    }

    /// What the counter has left is less than the first waiter asks for.
    async fn a_counter_that_ends_in_the_middle_frees(server: Server) {
        let session = open(&server.url()).await;
        let wants = entry(8).with_fences(32);
        for key in ["released", "rotated", "looked at"] {
            fence(acquire(&session, key, 1).await);
            queue(&session, key, 2, &wants).await.expect("a look");
        }
        let ending = || drop(server.command(&["SET", "dlock:fence", "9007189999999990"]));
        ending();
        assert_eq!(release(&session, "released", 1).await.expect("a release"), Released::Freed);
        ending();
        assert_eq!(rotate(&session, "rotated", [1, 3], &entry(9)).await.expect("a rotation"), Rotated::Freed);
        ending();
        server.del("dlock:{looked at}");
        assert_eq!(kind(queue(&session, "looked at", 3, &entry(9)).await), StoreErrorKind::Refused);
        let queues = ["dlock:{looked at}:queue", "dlock:{released}:queue", "dlock:{rotated}:queue"].map(str::to_owned);
        assert_eq!(server.keys()[1..], queues, "those who wait keep their places");
    }

    async fn blocks_of_fences_grow_wherever_the_counter_is(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        let wants = entry(9).with_fences(32);
        let mut last = fence(acquire(&session, "a", 1).await);
        let ahead = crate::counter::in_half_a_year(&server).to_string();
        let counters = ["0", &ahead, "1700000000000000", ""];
        for (token, counter) in (1..).zip(counters) {
            match counter {
                "" => assert!(server.del("dlock:fence")),
                counter => drop(server.command(&["SET", "dlock:fence", counter])),
            }
            queue(&session, "a", token + 1, &wants).await.expect("a look");
            release(&session, "a", token).await.expect("a release");
            let grant = heard(&mut grants).await;
            assert!(grant.fence > last, "{} after {last}, counter {counter:?}", grant.fence);
            last = grant.fence + 31;
            let Ok(Rotated::Retained { fence, .. }) = session.rotate(rotation_of_32(token + 1)).await else { panic!("nobody waits") };
            assert!(fence > last, "{fence} after {last}, counter {counter:?}");
            let (key, token) = ("a", Token::from_bits(token + 1));
            let block = Enqueue::new(key, token, TTL, entry(9)).with_fences(32);
            server.del("dlock:fence");
            let again = crate::fence(session.enqueue(block).await);
            assert!(again > fence + 31, "{again} after a block from {fence}, counter {counter:?}");
            last = again + 31;
        }
    }

    async fn forgotten_scripts_hand_over_all_the_same(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        for token in 1..6 {
            if token > 1 {
                let forgotten = queue(&session, "a", token + 1, &entry(9)).await;
                assert_eq!(kind(forgotten), StoreErrorKind::NotExecuted, "it could take the key behind its release");
            }
            queue(&session, "a", token + 1, &entry(9)).await.expect("a look");
            server.command(&["SCRIPT", "FLUSH"]);
            if token % 2 == 0 {
                release(&session, "a", token).await.expect("a release");
            } else {
                let behind = entry(8);
                let rotations = || rotate(&session, "a", [token, token + 100], &behind);
                if token > 1 {
                    assert_eq!(kind(rotations().await), StoreErrorKind::NotExecuted, "it could queue behind a release");
                }
                rotations().await.expect("a rotation");
            }
            assert_eq!(heard(&mut grants).await.token.bits(), token + 1);
            server.command(&["SCRIPT", "FLUSH"]);
        }
    }

    async fn a_lock_that_expired_goes_to_the_first_who_is_alive(server: Server) {
        let (session, mut grants) = listen(&server.url(), 9).await;
        fence(acquire(&session, "a", 1).await);
        for (token, listener) in [(2, 8), (3, 9), (4, 9)] {
            queue(&session, "a", token, &entry(listener)).await.expect("a look");
        }
        server.del("dlock:{a}");
        let answer = queue(&session, "a", 4, &entry(9)).await.expect("a look");
        assert!(matches!(answer, Acquired::Held { for_at_most: Some(FIRST_LEASE), queued_at: Some(_), .. }), "{answer:?}");
        assert_eq!(heard(&mut grants).await.token.bits(), 3);
        server.del("dlock:{a}");
        fence(queue(&session, "a", 4, &entry(9)).await);
        assert_eq!(server.keys(), ["dlock:fence", "dlock:{a}"]);
        assert!(server.pttl("dlock:{a}") > 20_000, "for the ttl of the look");
    }
}

fn rotation_of_32(token: u128) -> Rotate {
    let (key, token, next) = ("a", Token::from_bits(token), Token::from_bits(token + 1000));
    Rotate::new(key, token, TTL, next, entry(8)).with_fences(32)
}

#[tokio::test]
async fn a_replica_hands_nothing_over() {
    let server = Server::redis();
    let (session, mut grants) = listen(&server.url(), 9).await;
    fence(acquire(&session, "a", 1).await);
    queue(&session, "a", 2, &entry(9)).await.expect("a look");
    let primary = Server::builder(Kind::Redis).start();
    server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    assert_eq!(kind(release(&session, "a", 1).await), StoreErrorKind::Disconnected);
    assert_eq!(kind(rotate(&session, "a", [1, 3], &entry(9)).await), StoreErrorKind::Disconnected);
    assert_eq!(kind(queue(&session, "a", 2, &entry(9)).await), StoreErrorKind::Disconnected);
    assert!(grants.try_recv().is_err());
}
